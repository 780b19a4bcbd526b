import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DurationInput, toDurationMs } from '@jobistemer/core'
import { invalidOption, readOptionNames } from '@jobistemer/core/storage'

/** An open database of better-sqlite3: the members that the storage checks before use. */
export interface SqliteDatabase {
  /** The path with which the database was opened. */
  readonly name: string
  /** Whether the database is open; false after `close()`. */
  readonly open: boolean
  /** Whether the database is read-only. The storage rejects such a database. */
  readonly readonly: boolean
  /** Whether a transaction is open on the connection. */
  readonly inTransaction: boolean
  /** Prepares an SQL statement. */
  prepare(sql: string): unknown
  /** Runs one or more SQL statements without parameters. */
  exec(sql: string): unknown
  /** Reads or sets a pragma of SQLite. */
  pragma(sql: string): unknown
  /** Closes the database. The storage never closes a database that its caller has opened. */
  close(): unknown
}

/** Options of {@link sqliteStorage}: `file` or `database`, and limits. */
export interface SqliteStorageOptions {
  /**
   * The database file, as a path without white space at its ends or a `file://` URL. If the file does not exist, the storage
   * creates it with mode 0600, so that only this user can read and write it. The directory must exist. `:memory:` keeps all
   * data in the process, for trials.
   */
  readonly file?: string | URL
  /**
   * An open database of better-sqlite3 instead of a file. The storage switches the database to write-ahead mode, and
   * never closes the database. No other user of the database may leave a transaction open across an `await`.
   */
  readonly database?: SqliteDatabase
  /**
   * What a write survives after its call has resolved. `full`: a power failure. `normal`: the death of every process,
   * but a power failure can lose the last writes. Default `full`.
   */
  readonly synchronous?: 'full' | 'normal'
  /**
   * Stores the jobs beside the tables of your application, in the same file. The names of all tables of the storage
   * begin with this prefix. The storage does not write to the fields `user_version` and `application_id` of the file's
   * header.
   *
   * The prefix has 1 to 32 characters: a lower case letter, then lower case letters, digits and `_`. No other name in
   * the file may begin with the prefix. Default: no prefix, and a separate file.
   */
  readonly tablePrefix?: string
  /** How long a call waits while other connections lock the file, before it fails with `STORAGE_BUSY`. Default 30 s. */
  readonly busyTimeout?: DurationInput
}

/** The options after validation, with defaults filled in. */
export interface ReadOptions {
  readonly source: { readonly file: string } | { readonly database: SqliteDatabase }
  readonly synchronous: 'full' | 'normal'
  readonly busyTimeoutMs: number
  /** The prefix of table names; empty if the option `tablePrefix` is absent. */
  readonly tablePrefix: string
}

// Maximum length of a path. No operating system supports longer ones.
const longestPath = 32_767

const optionNames = ['file', 'database', 'synchronous', 'tablePrefix', 'busyTimeout']

/**
 * Validates the options and fills in the defaults.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function readOptions(options: SqliteStorageOptions): ReadOptions {
  readOptionNames(options, { opener: 'sqliteStorage', known: optionNames, example: '{ file }' })
  const { synchronous = 'full', busyTimeout = 30_000, tablePrefix } = options
  if (synchronous !== 'full' && synchronous !== 'normal') {
    throw invalidOption(
      'synchronous',
      synchronous,
      'synchronous is neither "full" nor "normal"',
      'Give one of the two.',
    )
  }
  return {
    source: readSource(options),
    synchronous,
    busyTimeoutMs: toDurationMs(busyTimeout, 'busyTimeout'),
    tablePrefix: tablePrefix === undefined ? '' : readPrefix(tablePrefix),
  }
}

function readPrefix(prefix: string): string {
  if (typeof prefix === 'string' && /^[a-z][a-z0-9_]{0,31}$/.test(prefix) && !prefix.startsWith('sqlite_'))
    return prefix
  const remedy =
    'Give 1 to 32 lower case letters, digits and "_" that begin with a letter, such as "jobs_"; not "sqlite_".'
  throw invalidOption('tablePrefix', prefix, 'tablePrefix is not the beginning of a name', remedy)
}

function readSource({ file, database }: SqliteStorageOptions): ReadOptions['source'] {
  if ((file === undefined) === (database === undefined)) {
    throw invalidOption('file', file, 'sqliteStorage needs either file or database', 'Write sqliteStorage({ file }).')
  }
  if (database !== undefined) return { database: readDatabase(database) }
  const isUrl = file instanceof URL || (typeof file === 'string' && file.startsWith('file:'))
  const path = isUrl ? readUrl(String(file)) : file
  // better-sqlite3 removes white space at both ends of a path, and would open another file than the storage watches.
  const isPath = typeof path === 'string' && path !== '' && path === path.trim() && !path.includes('\0')
  if (!isPath || path.length > longestPath) {
    const remedy = `Give the path of a database file, of at most ${longestPath} characters and without white space at its ends, or ":memory:".`
    throw invalidOption('file', path, 'file is not a path', remedy)
  }
  // Makes the path absolute. So SQLite does not read a part of the path as URL settings, and a later `chdir` does not
  // change the file.
  return { file: path === ':memory:' ? path : resolve(path) }
}

/** Returns the path of a URL. Rejects SQLite's own forms, such as `file:jobs.db` and `?mode=ro`, which Node.js reads otherwise. */
function readUrl(url: string): string {
  try {
    if (/^file:\/\/[^?#]*$/.test(url)) return fileURLToPath(url)
  } catch {
    // The error below describes the URL.
  }
  const remedy = 'Give a path, or a URL that begins with file:// and has neither "?" nor "#".'
  throw invalidOption('file', url, 'file is not the URL of a file', remedy)
}

function readDatabase(database: SqliteDatabase): SqliteDatabase {
  if (!isConnection(database) || typeof database.open !== 'boolean') {
    throw invalidOption('database', database, 'database is not one of better-sqlite3', 'Give an open one, or file.')
  }
  if (!database.open || database.readonly || database.inTransaction) {
    const problem = !database.open ? 'closed' : database.readonly ? 'read-only' : 'inside a transaction'
    throw invalidOption('database', database.name, `database is ${problem}`, 'Give one that is open for writing.')
  }
  return database
}

/** Whether a value looks like a connection of better-sqlite3. */
export function isConnection(value: unknown): value is SqliteDatabase {
  if (typeof value !== 'object' || value === null) return false
  const { prepare, pragma, inTransaction } = value as Partial<SqliteDatabase>
  return typeof prepare === 'function' && typeof pragma === 'function' && typeof inTransaction === 'boolean'
}
