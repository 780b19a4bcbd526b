import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { JobistemerError, printValue } from '@jobistemer/core'
import { isLedgerKind, type LedgerKind, ledgerKinds } from './ledger.ts'

export interface DemoOptions {
  /** The database to back up; `null`: one is built from this repository. */
  readonly database: string | null
  /** Where everything is kept; `null`: a new folder among the system's temporary ones. */
  readonly folder: string | null
  /** The job runs at every second that is a multiple of this. */
  readonly seconds: number
  readonly ledger: LedgerKind
}

export type CommandLine = { readonly kind: 'help' } | { readonly kind: 'run'; readonly options: DemoOptions }

export const usage = `Usage: npm run demo [-- OPTIONS]

Runs a backup job on a real SQLite database, kills its worker process in the middle of a task, starts it again,
and checks that nothing was lost and nothing ran twice.

  --db FILE        the SQLite database to back up, opened read-only
                   (default: one is built from this repository's files and history)
  --out FOLDER     a new or empty folder for backups and ledger (default: a new one among the temporary ones)
  --seconds N      the interval of the schedule, 1 to 30 (default: 3)
  --storage KIND   where the ledger is kept: ${ledgerKinds.join(', ')} (default: sqlite)
  --help           this text

Exit code: 0 when every check holds, 1 when one does not, 2 for a wrong option or input.`

/**
 * Reads the command line. Relative file names are taken from `currentFolder`.
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function readCommandLine(args: readonly string[], currentFolder: string): CommandLine {
  const { values } = parse(args)
  if (values.help === true) return { kind: 'help' }
  return {
    kind: 'run',
    options: {
      database: readPath('--db', values.db, currentFolder),
      folder: readPath('--out', values.out, currentFolder),
      seconds: readSeconds(values.seconds),
      ledger: readLedgerKind(values.storage),
    },
  }
}

function parse(args: readonly string[]) {
  // Package managers differ in whether they pass the `--` on that separates their own options from the script's.
  const given = args[0] === '--' ? args.slice(1) : [...args]
  try {
    return parseArgs({
      args: given,
      options: {
        db: { type: 'string' },
        out: { type: 'string' },
        seconds: { type: 'string' },
        storage: { type: 'string' },
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

function readLedgerKind(value = 'sqlite'): LedgerKind {
  if (isLedgerKind(value)) return value
  throw refused('--storage', value, 'is not a storage of this demo', `Known: ${ledgerKinds.join(', ')}.`)
}

function refused(field: string, value: string, problem: string, remedy: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `${field} ${problem}: ${printValue(value)}.`,
    field,
    value,
    remedy,
  })
}
