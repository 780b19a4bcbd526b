import { maskAddress, maskSecrets } from '@jobistemer/core/storage'
import { CliError } from '../cli-error.ts'

/** The location of a storage, parsed from `--storage`. */
export type Location =
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'redis'; readonly url: string }
  | { readonly kind: 'postgres'; readonly url: string }
  | {
      readonly kind: 'dynamodb'
      readonly table: string
      readonly endpoint: string | undefined
      readonly region: string | undefined
    }

/** The accepted forms of a storage location, for messages. */
export const locationForms = 'sqlite:FILE, redis://HOST, rediss://HOST, postgres://HOST/DATABASE or dynamodb:TABLE'

/**
 * Parses a storage location.
 * @throws CliError if the text has none of the accepted forms
 */
export function readLocation(text: string, field: string): Location {
  const colon = text.indexOf(':')
  const scheme = colon === -1 ? '' : text.slice(0, colon).toLowerCase()
  const rest = text.slice(colon + 1)
  switch (scheme) {
    case 'sqlite':
      if (rest === '' || rest === ':memory:') break
      return { kind: 'sqlite', file: rest.startsWith('///') ? rest.slice(2) : rest }
    case 'redis':
    case 'rediss':
      return { kind: 'redis', url: text }
    case 'dynamodb':
      return readTable(rest, field)
    case 'postgres':
    case 'postgresql':
      return { kind: 'postgres', url: text }
    case 'pglite':
      throw new CliError({
        code: 'STORAGE_UNSUPPORTED',
        message: 'A PGlite lives inside one process, and two that open its folder would spoil it without a word.',
        field,
        remedy:
          'Stop the process that has it, and give a storage with that PGlite in jobistemer.config.ts; or use a server.',
      })
    case 'memory':
      throw new CliError({
        code: 'STORAGE_UNSUPPORTED',
        message: 'The memory storage lives inside one process, and no other one can look at it.',
        field,
        remedy: `Give ${locationForms}; or a storage object of your own in jobistemer.config.ts.`,
      })
  }
  throw new CliError({
    code: 'INVALID_STORAGE',
    // Masks secrets, because the text may be a mistyped URL with a password.
    message: `${field} does not say where a storage is: ${JSON.stringify(maskSecrets(text))}.`,
    field,
    remedy: `Give ${locationForms}.`,
  })
}

/** Returns a storage location as text without secrets. */
export function printLocation(location: Location): string {
  switch (location.kind) {
    case 'sqlite':
      return `sqlite:${location.file}`
    case 'redis':
    case 'postgres':
      return maskAddress(location.url)
    case 'dynamodb':
      return `dynamodb:${location.table}`
  }
}

function readTable(rest: string, field: string): Location {
  const [table = '', query = ''] = rest.replace(/^\/\//, '').split('?', 2)
  const settings = new URLSearchParams(query)
  const unknown = [...settings.keys()].find((name) => name !== 'endpoint' && name !== 'region')
  if (table === '' || unknown !== undefined) {
    const problem = unknown === undefined ? 'names no table' : `has an unknown setting ${JSON.stringify(unknown)}`
    throw new CliError({
      code: 'INVALID_STORAGE',
      message: `${field} ${problem}: ${JSON.stringify(`dynamodb:${rest}`)}.`,
      field,
      remedy: 'Write dynamodb:TABLE, or dynamodb:TABLE?region=eu-central-1&endpoint=http://localhost:8000.',
    })
  }
  const { region, endpoint } = Object.fromEntries(settings)
  return { kind: 'dynamodb', table, region, endpoint }
}
