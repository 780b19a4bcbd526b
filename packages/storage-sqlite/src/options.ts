import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DurationInput, toDurationMs } from '@jobistemer/core'
import { invalidOption, readOptionNames } from '@jobistemer/core/storage'

/** An open database of better-sqlite3: the members that the storage checks before use. */
export interface SqliteDatabase {
  /** The path that it was opened with. */
  readonly name: string
  /** False once it was closed. */
  readonly open: boolean
  /** True when nothing can be written to it, which is refused. */
  readonly readonly: boolean
  /** A transaction is open. */
  readonly inTransaction: boolean
  /** A statement. */
  prepare(sql: string): unknown
  /** Runs statements. */
  exec(sql: string): unknown
  /** Reads or sets what SQLite calls a pragma. */
  pragma(sql: string): unknown
  /** Never called on a database that was handed in. */
  close(): unknown
}

/** How {@link sqliteStorage} opens its data: by `file` or by `database`. */
export interface SqliteStorageOptions {
  /**
   * The database file, as a path or a `file:` URL; made if it does not exist, in a directory that does, for its user
   * alone (mode 0600). `:memory:` keeps everything in the process: for trying things out.
   */
  readonly file?: string | URL
  /**
   * An open database of better-sqlite3 instead of a file, in write-ahead mode from here on. It stays the caller's:
   * `close()` leaves it open. No other user of the database may leave a transaction open across an `await`.
   */
  readonly database?: SqliteDatabase
  /**
   * What a resolved call survives: `full`, a power cut; `normal`, the death of every process, while a power cut can
   * take the last moments. Default `full`.
   */
  readonly synchronous?: 'full' | 'normal'
  /**
   * Keeps the jobs among the tables of your application, in its file. The names of their tables begin with this prefix, and the
   * header of the file (`user_version`, `application_id`) stays yours. 1 to 32 characters: a lower case letter, then lower case
   * letters, digits and `_`. No other name in the file may begin with it. Default: none, and a separate file.
   */
  readonly tablePrefix?: string
  /** How long a call waits while others hold the file before it fails with `STORAGE_BUSY`. Default 30 s. */
  readonly busyTimeout?: DurationInput
}

/** Options with their defaults. */
export interface ReadOptions {
  readonly source: { readonly file: string } | { readonly database: SqliteDatabase }
  readonly synchronous: 'full' | 'normal'
  readonly busyTimeoutMs: number
  /** Empty for a file of its own. */
  readonly tablePrefix: string
}

// No system takes longer ones.
const longestPath = 32_767

const optionNames = ['file', 'database', 'synchronous', 'tablePrefix', 'busyTimeout']

/**
 * Checks options and fills in what is left out.
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
  if (file instanceof URL || (typeof file === 'string' && file.startsWith('file:'))) return { file: readUrl(file) }
  if (typeof file !== 'string' || file.trim() === '' || file.includes('\0') || file.length > longestPath) {
    const remedy = `Give the path of a database file, of at most ${longestPath} characters, or ":memory:".`
    throw invalidOption('file', file, 'file is not a path', remedy)
  }
  // Made absolute, so that nothing in a name is taken for a URL with settings, and a later chdir changes nothing.
  return { file: file === ':memory:' ? file : resolve(file) }
}

function readUrl(file: string | URL): string {
  try {
    return fileURLToPath(file)
  } catch {
    throw invalidOption(
      'file',
      String(file),
      'file is not the URL of a file',
      'Give a path, or a file: URL with a path.',
    )
  }
}

function readDatabase(database: SqliteDatabase): SqliteDatabase {
  const isDatabase =
    typeof database === 'object' &&
    database !== null &&
    typeof database.prepare === 'function' &&
    typeof database.pragma === 'function' &&
    typeof database.open === 'boolean'
  if (!isDatabase) {
    throw invalidOption('database', database, 'database is not one of better-sqlite3', 'Give an open one, or file.')
  }
  if (!database.open || database.readonly || database.inTransaction) {
    const problem = !database.open ? 'closed' : database.readonly ? 'read-only' : 'inside a transaction'
    throw invalidOption('database', database.name, `database is ${problem}`, 'Give one that is open for writing.')
  }
  return database
}
