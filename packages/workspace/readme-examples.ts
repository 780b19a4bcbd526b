import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'

/** An example in a README whose result differs from its comment. */
export interface WrongExample {
  readonly line: number
  readonly code: string
  readonly expected: string
  readonly got: string
}

export interface ExampleRun {
  /** Number of compared lines with `// =>` or `// throws`. */
  readonly compared: number
  readonly wrong: readonly WrongExample[]
}

/**
 * Runs the `ts` blocks of a document. If a line ends with `// => value` or `// throws CODE`, compares the result of the
 * line with this comment. In such a comment, a `Date` is written in ISO 8601, and any other value as Node.js prints it.
 *
 * Rules for the blocks:
 *
 * - All blocks share their variables. An exported variable of a block is a normal variable.
 * - Each statement is plain JavaScript on a single line.
 * - `import { name } from 'module'` and `import name from 'module'` take the name from `modules`. A module that is not in
 *   `modules` is an error.
 * - `import.meta.url` is `moduleUrl`, by default the address of the document.
 */
export async function runReadmeExamples(
  document: URL,
  modules: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  moduleUrl: URL = document,
): Promise<ExampleRun> {
  const wrong: WrongExample[] = []
  let compared = 0
  const scope: Record<string, unknown> = {
    moduleUrl: moduleUrl.href,
    async compare(line: number, code: string, expected: string, evaluate: () => unknown): Promise<unknown> {
      compared++
      let value: unknown
      let got: string
      try {
        value = await evaluate()
        got = print(value)
      } catch (error) {
        got = `throws ${(error as { code?: string }).code ?? error}`
      }
      if (got !== expected) wrong.push({ line, code, expected, got })
      return value
    },
  }
  const body: string[] = []
  const lines = readFileSync(document, 'utf8').split('\n')
  let isCode = false
  lines.forEach((text, index) => {
    if (/^```/.test(text)) {
      isCode = /^```(ts|js)$/.test(text)
      return
    }
    if (!isCode) return
    const whole = /^import (\w+) from '(.+)'$/.exec(text)
    if (whole !== null) {
      const [, name = '', from = ''] = whole
      const value = modules[from]?.default
      if (value === undefined)
        throw new Error(`Line ${index + 1} of ${document.href}: the module ${from} has no default export.`)
      scope[name] = value
      return
    }
    const imported = /^import \{ (.+) \} from '(.+)'$/.exec(text)
    if (imported === null) {
      body.push(toStatement(text, index + 1))
      return
    }
    const [, names = '', from = ''] = imported
    for (const name of names.split(', ')) {
      const value = modules[from]?.[name]
      if (value === undefined)
        throw new Error(`Line ${index + 1} of ${document.href}: the module ${from} has no export ${name}.`)
      scope[name] = value
    }
  })
  const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => (...values: unknown[]) => unknown
  await new AsyncFunction(...Object.keys(scope), body.join('\n'))(...Object.values(scope))
  return { compared, wrong }
}

function toStatement(written: string, line: number): string {
  const text = written.replace(/^export (?=(async )?function |const )/, '').replaceAll('import.meta.url', 'moduleUrl')
  const claim = /^\s*(const \w+ = )?(.+?);?\s+\/\/ (?:=> (.+)|(throws [A-Z_]+))$/.exec(text)
  if (claim === null) return text
  const [, declaration = '', code = '', value, failure] = claim
  const expected = value ?? failure ?? ''
  return `${declaration}await compare(${line}, ${JSON.stringify(code)}, ${JSON.stringify(expected)}, async () => (${code}))`
}

function print(value: unknown): string {
  return value instanceof Date ? value.toISOString() : inspect(value, { breakLength: Number.POSITIVE_INFINITY })
}
