/** A command line in a document, and what the document says that it writes. */
export interface Shown {
  readonly argv: readonly string[]
  /** `; echo $?` stands behind it: the exit code is shown too. */
  readonly showsCode: boolean
  readonly output: string
}

/** The command lines of a document: `$ jobistemer …` in its blocks of the kind `console`, with what follows each. */
export function transcriptOf(document: string): readonly Shown[] {
  const blocks = [...document.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
  return blocks.flatMap((block) =>
    block
      .split(/^\$ jobistemer /m)
      .slice(1)
      .map((part) => {
        const [line = '', ...output] = part.split('\n')
        const showsCode = line.endsWith('; echo $?')
        const words = line.replace('; echo $?', '').matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)
        // A line without anything stands between two commands.
        const shown = output.join('\n').replace(/\n\n$/, '\n')
        return { argv: [...words].map(([, a, b, c]) => a ?? b ?? c ?? ''), showsCode, output: shown }
      }),
  )
}
