import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CliError } from '../cli-error.ts'

/**
 * Imports the user's module or reads the user's JSON file, and returns its exports.
 * @throws CliError with the file and line of the fault
 */
export async function importModule(file: string, field: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    switch (extname(file)) {
      case '.json':
        return { default: JSON.parse(readFileSync(file, 'utf8')) }
      case '.ts':
      case '.mts':
      case '.cts': {
        const { createJiti } = await import('jiti')
        return await createJiti(pathToFileURL(file).href, { fsCache: false }).import(file)
      }
      default:
        return await import(pathToFileURL(file).href)
    }
  } catch (cause) {
    throw new CliError({
      code: 'MODULE_FAILED',
      message: `${file} cannot be loaded: ${textOf(cause)}${placeOf(cause, file)}.`,
      field,
      remedy: 'Mend the file; --debug shows the whole stack.',
      cause,
    })
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.replace(/\.$/, '')}` : String(error)
}

/** Returns the file and line of an error, from the first line of its stack that names the file. */
function placeOf(error: unknown, file: string): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  for (const line of stack.split('\n')) {
    for (const name of [file, pathToFileURL(file).href]) {
      const start = line.indexOf(`${name}:`)
      const [, row, column] = start === -1 ? [] : (/^(\d+):(\d+)/.exec(line.slice(start + name.length + 1)) ?? [])
      if (row !== undefined) return ` (at line ${row}, column ${column})`
    }
  }
  return ''
}
