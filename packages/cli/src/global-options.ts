import type { CommandOption } from './command.ts'
import { locationForms } from './storage/location.ts'
import { readDuration, readText } from './values.ts'

/** The parsed values of the options that every command has. */
export interface GlobalOptions {
  readonly storage?: string
  readonly config?: string | false
  readonly prefix?: string
  readonly json?: true
  readonly utc?: true
  readonly timezone?: string
  readonly timeout?: number
  /** `true` if the command waits for a run. Then `timeout` limits the wait, not each storage call. */
  readonly wait?: true
  readonly color?: boolean
  readonly debug?: true
}

/** Default timeout of a storage call, in ms. */
export const storageTimeoutMs = 10_000

/** The definitions of the options that every command has. */
export const globalOptions: readonly CommandOption[] = [
  {
    flags: '-s, --storage <place>',
    description: `${locationForms} (env JOBISTEMER_STORAGE)`,
    parse: readText('--storage'),
  },
  {
    flags: '-c, --config <file>',
    description:
      'configuration (default: jobistemer.config.{ts,mts,js,mjs,json} in the working folder, if that is trusted)',
  },
  { flags: '--no-config', description: 'read no configuration' },
  {
    flags: '--prefix <prefix>',
    description: 'what the keys begin with, in Redis and DynamoDB; the schema, in PostgreSQL; tablePrefix, in SQLite',
    parse: readText('--prefix'),
  },
  { flags: '--json', description: 'write JSON; its schema is in the folder schema of the package' },
  { flags: '--utc', description: 'show instants in UTC' },
  { flags: '--timezone <zone>', description: "show instants in this zone (default: the machine's)" },
  {
    flags: '--timeout <duration>',
    description: 'how long to wait for the storage (default: 10s); with --wait: for the run (default: without end)',
    parse: readDuration('--timeout', 1),
  },
  { flags: '--color', description: 'colours, although no terminal is there (env FORCE_COLOR)' },
  { flags: '--no-color', description: 'no colours (env NO_COLOR)' },
  { flags: '--debug', description: 'show stacks of errors' },
]
