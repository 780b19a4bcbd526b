import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { JobistemerError, printValue } from '@jobistemer/core'
import { isLedgerKind, type LedgerKind, ledgerKinds } from './ledgers/ledger-kinds.ts'

export interface DemoOptions {
  /** Path of the database to back up; `null`: the demo builds one from this repository. */
  readonly database: string | null
  /** Path of the demo's folder; `null`: a new temporary folder. */
  readonly folder: string | null
  /** Interval of the schedule, in seconds: the job is due at each multiple of this number. */
  readonly seconds: number
  /** Number of node processes: 1 or 2. */
  readonly nodes: number
  readonly ledger: LedgerKind
  /** URL of the user's server for the ledger; `null`: the demo starts a server if the storage needs one. */
  readonly server: string | null
}

export type CommandLine = { readonly kind: 'help' } | { readonly kind: 'run'; readonly options: DemoOptions }

const kindNames = Object.keys(ledgerKinds) as readonly LedgerKind[]

export const usage = `Usage: npm run demo [-- OPTIONS]

Runs a backup job of a real SQLite database on two nodes, kills one of them in the middle of a task, lets the other node
continue the run, and checks that no slot was lost and no completed task ran again.

  --db FILE        the SQLite database to back up, opened read-only
                   (default: the demo builds one from this repository's files and history)
  --out FOLDER     a new or empty folder for backups and ledger (default: a new temporary folder)
  --seconds N      the interval of the schedule, 1 to 30 (default: 3)
  --nodes N        2, or 1: the demo then restarts the killed node, which continues its run (default: 2)
  --storage KIND   where the ledger is kept: ${kindNames.join(', ')} (default: sqlite)
  --redis-url URL  a Redis or Valkey server for --storage redis, such as redis://127.0.0.1:6379
                   (default: a private one is started; redis-server is installed if it is missing and apt-get may)
  --dynamodb-endpoint URL
                   a DynamoDB for --storage dynamodb, such as http://127.0.0.1:8000; over https with region and
                   credentials from the environment (default: a private DynamoDB Local is started, which needs Java)
  --postgres-url URL
                   a PostgreSQL database for --storage postgres, such as postgres://me@127.0.0.1/mine
                   (default: a private server is started; postgresql is installed if it is missing and apt-get may)
  --help           this text

Exit code: 0 if every check passed, 1 if a check failed, 2 for a wrong option or input.`

/**
 * Reads the command line. Relative file names refer to `currentFolder`.
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function readCommandLine(args: readonly string[], currentFolder: string): CommandLine {
  const { values } = parse(args)
  if (values.help === true) return { kind: 'help' }
  const ledger = readLedgerKind(values.storage)
  return {
    kind: 'run',
    options: {
      database: readPath('--db', values.db, currentFolder),
      folder: readPath('--out', values.out, currentFolder),
      seconds: readSeconds(values.seconds),
      nodes: readNodes(values.nodes),
      ledger,
      server: readServer(ledger, values),
    },
  }
}

function parse(args: readonly string[]) {
  // Some package managers pass on the `--` before the options of the script, so the parser ignores a leading `--`.
  const given = args[0] === '--' ? args.slice(1) : [...args]
  try {
    return parseArgs({
      args: given,
      options: {
        db: { type: 'string' },
        out: { type: 'string' },
        seconds: { type: 'string' },
        nodes: { type: 'string' },
        storage: { type: 'string' },
        'redis-url': { type: 'string' },
        'dynamodb-endpoint': { type: 'string' },
        'postgres-url': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new JobistemerError(code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? 'UNKNOWN_OPTION' : 'INVALID_ARGUMENT', {
      message: `The command line cannot be read: ${message}`,
      field: 'options',
      value: given.join(' '),
      cause: error,
    })
  }
}

function readPath(field: string, value: string | undefined, currentFolder: string): string | null {
  if (value === undefined) return null
  if (value === '') throw refused(field, value, 'is empty', 'Give a path.')
  return resolve(currentFolder, value)
}

function readSeconds(value = '3'): number {
  const seconds = /^\d{1,2}$/.test(value) ? Number(value) : 0
  if (seconds < 1 || seconds > 30) {
    throw refused('--seconds', value, 'is not an interval of the demo', 'Give a whole number from 1 to 30.')
  }
  return seconds
}

function readNodes(value = '2'): number {
  if (value === '1' || value === '2') return Number(value)
  throw refused('--nodes', value, 'is not a number of nodes of the demo', 'Give 1 or 2.')
}

function readLedgerKind(value = 'sqlite'): LedgerKind {
  if (isLedgerKind(value)) return value
  throw refused('--storage', value, 'is not a storage of this demo', `Known: ${kindNames.join(', ')}.`)
}

type Values = ReturnType<typeof parse>['values']

function readServer(ledger: LedgerKind, values: Values): string | null {
  for (const kind of kindNames) {
    const { server } = ledgerKinds[kind]
    const value = server === null ? undefined : values[server.option]
    if (server === null || value === undefined) continue
    const option = `--${server.option}`
    if (kind !== ledger) {
      const remedy = `Add --storage ${kind}, or leave it out.`
      throw refused(option, value, `goes with another storage than ${ledger}`, remedy)
    }
    if (!server.protocols.includes(protocolOf(value))) {
      const beginnings = server.protocols.map((protocol) => `${protocol}//`).join(' or ')
      throw refused(option, value, 'is not the URL of such a server', `Give one that begins with ${beginnings}.`)
    }
    return value
  }
  return null
}

function protocolOf(url: string): string {
  try {
    return new URL(url).protocol
  } catch {
    return ''
  }
}

function refused(field: string, value: string, problem: string, remedy: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `${field} ${problem}: ${printValue(value)}.`,
    field,
    value,
    remedy,
  })
}
