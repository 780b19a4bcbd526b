import { closeSync, existsSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { checkpointPages, keptLogBytes } from './checkpoints.ts'
import { FileWatch, pathOf } from './file-watch.ts'
import { inspectFile, unreadable } from './inspect-file.ts'
import type { ReadOptions } from './options.ts'
import { migrations } from './schema.ts'
import { readVersion, touchVersion, writeVersion } from './schema-home.ts'
import { busyError, isBusy, isReadonly, readonlyError, storageError } from './sqlite-errors.ts'
import { withTableNames } from './table-names.ts'

/** A database that is open and has the present schema. */
export interface OpenedDatabase {
  readonly database: Database.Database
  /** The path of the database file, for messages. */
  readonly file: string
  /** Whether `close()` of the storage also closes the database. */
  readonly isOwn: boolean
  /** Detects that the file was replaced; `null` for a database in memory. */
  readonly watch: FileWatch | null
  /** The prefix of the names of all tables. */
  readonly prefix: string
}

/** Opens the database that the options name, and migrates it to the present schema. */
export function openDatabase(options: ReadOptions): OpenedDatabase {
  const { source, busyTimeoutMs, tablePrefix: prefix } = options
  const isOwn = 'file' in source
  const database = isOwn
    ? retryBlocking(() => openFile(source.file, prefix), busyTimeoutMs, source.file)
    : (source.database as Database.Database)
  const file = isOwn ? source.file : database.memory ? database.name : pathOf(database)
  try {
    prepareDatabase(database, file, options)
  } catch (error) {
    if (isOwn) database.close()
    throw error
  }
  return { database, file, isOwn, watch: database.memory ? null : new FileWatch(file), prefix }
}

function openFile(file: string, prefix: string): Database.Database {
  if (file !== ':memory:') {
    if (!existsSync(dirname(file))) throw unreadable(file, new Error(`there is no directory ${dirname(file)}`))
    // With a table prefix, the file is the user's database. It is not inspected before it is opened, because opening it
    // may recover the writes of a dead process.
    if (prefix === '') inspectFile(file)
    makeFile(file)
  }
  return new Database(file, { timeout: 0 })
}

/**
 * The mode of a new file: only its user may read and write. SQLite's default is world-readable. Side files get the mode of
 * the file.
 */
const fileMode = 0o600

/**
 * Creates the file if it does not exist. Never opens an existing file, because closing the file again would release
 * SQLite's locks on it.
 */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'ax', fileMode))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unreadable(file, error)
  }
}

function prepareDatabase(database: Database.Database, file: string, options: ReadOptions): void {
  const { synchronous, busyTimeoutMs, tablePrefix: prefix } = options
  const patiently = (step: () => void): void => retryBlocking(step, busyTimeoutMs, file)
  patiently(() => readVersion(database, file, prefix))
  patiently(() => {
    const mode = database.pragma('journal_mode = WAL', { simple: true })
    if (mode !== 'wal' && !database.memory)
      throw new Error(`SQLite keeps the journal mode ${mode}, but the storage needs wal`)
    database.pragma(`synchronous = ${synchronous}`)
    database.pragma(`wal_autocheckpoint = ${checkpointPages}`)
    database.pragma(`journal_size_limit = ${keptLogBytes}`)
  })
  patiently(() => migrate(database, file, migrations, prefix))
  assertWritable(database, file, prefix)
}

/**
 * Checks that the file is writable. SQLite opens a read-only file without an error, and fails only at the first write.
 * This check does not wait for other processes, because SQLite detects a missing right first, and a lock of another
 * process only later.
 */
function assertWritable(database: Database.Database, file: string, prefix: string): void {
  database.exec('BEGIN')
  try {
    touchVersion(database, prefix)
  } catch (error) {
    if (!isBusy(error)) throw isReadonly(error) ? readonlyError(file, error) : storageError(error, file)
  } finally {
    if (database.inTransaction) database.exec('ROLLBACK')
  }
}

/**
 * Applies the migration steps that the database lacks, all or none.
 *
 * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
 */
export function migrate(
  database: Database.Database,
  file: string,
  steps: readonly string[] = migrations,
  prefix = '',
): void {
  if (readVersion(database, file, prefix, steps.length) === steps.length) return
  database.exec('BEGIN IMMEDIATE')
  try {
    // Reads the version again inside the transaction, because another process may have migrated the file meanwhile.
    const version = readVersion(database, file, prefix, steps.length)
    if (version < steps.length) {
      for (const step of steps.slice(version)) database.exec(withTableNames(step, prefix))
      writeVersion(database, prefix, steps.length)
    }
    database.exec('COMMIT')
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK')
    throw error
  }
}

const blockingWaitMs = 20

/**
 * Retries while other connections hold the file. The retries block the thread, which is acceptable only during opening, before
 * anything else runs.
 */
function retryBlocking<T>(step: () => T, limitMs: number, file: string): T {
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  for (let waitedMs = 0; ; waitedMs += blockingWaitMs) {
    try {
      return step()
    } catch (error) {
      if (!isBusy(error)) throw storageError(error, file)
      if (waitedMs >= limitMs) throw busyError(file, waitedMs, error)
      Atomics.wait(sleeper, 0, 0, blockingWaitMs)
    }
  }
}
