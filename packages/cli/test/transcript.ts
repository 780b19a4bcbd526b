/** A command line in a document, and its output according to the document. */
export interface Shown {
  readonly argv: readonly string[]
  /** `true` if the command line ends with `; echo $?`, so that the document also shows the exit code. */
  readonly showsCode: boolean
  readonly output: string
}

/** Returns the command lines of a document: `$ jobistemer …` in its `console` blocks, each with the output beneath. */
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
        // Removes the empty line that separates two commands in a document.
        const shown = output.join('\n').replace(/\n\n$/, '\n')
        return { argv: [...words].map(([, a, b, c]) => a ?? b ?? c ?? ''), showsCode, output: shown }
      }),
  )
}
