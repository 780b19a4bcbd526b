import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { CliError } from './cli-error.ts'
import type { Io } from './io.ts'

/**
 * Reads JSON from the command line: the JSON text itself, `@FILE`, or `@-` for standard input.
 * @throws CliError
 */
export async function readData(given: string, io: Io): Promise<unknown> {
  const source = given.startsWith('@') ? await contentOf(given.slice(1), io) : given
  try {
    return JSON.parse(source)
  } catch (cause) {
    throw new CliError({
      code: 'INVALID_DATA',
      message: `--data is not JSON: ${cause instanceof Error ? cause.message : String(cause)}.`,
      field: '--data',
      remedy: `A text is JSON in quotes: --data '"text"'. A file is @FILE, standard input @-.`,
      cause,
    })
  }
}

async function contentOf(path: string, { cwd, stdin }: Io): Promise<string> {
  if (path === '-') {
    const chunks: Buffer[] = []
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk as string))
    return Buffer.concat(chunks).toString('utf8')
  }
  try {
    return readFileSync(resolve(cwd, path), 'utf8')
  } catch (cause) {
    throw new CliError({
      code: 'INVALID_DATA',
      message: `--data cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
      field: '--data',
      remedy: 'Give @ and the path of a file that is there.',
      cause,
    })
  }
}
