import type { JobistemerError } from '@jobistemer/core'
import { type FailureMeaning, failureOf, storageFailure } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { accessSync, closeSync, constants, existsSync, lstatSync, openSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { checkpointPages, keptLogBytes } from './checkpoints.ts'
import type { ReadOptions } from './options.ts'
import { migrations, namedTables, withTableNames } from './schema.ts'
import { busyError, isBusy, isReadonly, readonlyError, storageError } from './sqlite-errors.ts'

/**
 * Detects that the path of an open database leads to another file, or to none. SQLite would continue with a file that other
 * processes cannot find.
 */
export class FileWatch {
  readonly #file: string
  readonly #opened: string | null
  #isReplaced = false

  /** Notes which file the path leads to. SQLite must have opened this file before. */
  constructor(file: string) {
    this.#file = file
    this.#opened = identityOf(file)
  }

  /**
   * Checks that the path still leads to the opened file.
   *
   * @throws JobistemerError `STORAGE_REPLACED` if the path leads to no file or to another one. From then on, every call
   * throws, even if the original file returns.
   */
  assertSame(): void {
    const present = this.#isReplaced ? null : identityOf(this.#file)
    if (present !== null && present === this.#opened) return
    const what = this.#isReplaced ? 'deleted or replaced' : present === null ? 'deleted' : 'replaced by another file'
    this.#isReplaced = true
    const message = `The database file was ${what} while it was open: ${this.#file}.`
    const remedy = 'Stop all nodes before a database file is moved, deleted or restored, and start them afterwards.'
    throw storageFailure('STORAGE_REPLACED', ['file', this.#file], message, remedy)
  }
}

/** Returns an identity of the file behind a path; `null` if the path leads to no file. */
export function identityOf(file: string): string | null {
  // As plain numbers, file ids of some file systems would lose digits.
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? null : `${stats.dev} ${stats.ino}`
}

/** Returns the path of an open connection's file, with symbolic links resolved; empty for a database in memory. */
export function mainFileOf(database: Database.Database): string {
  const list = database.pragma('database_list') as readonly { readonly name: string; readonly file: string }[]
  return list.find(({ name }) => name === 'main')?.file ?? ''
}

/**
 * Returns the path to watch for an open connection. This is the path with which the connection was opened, if that path
 * still leads to the file. Otherwise it is the file's own path.
 */
function pathOf(database: Database.Database): string {
  const given = resolve(database.name)
  const file = mainFileOf(database)
  return identityOf(given) === identityOf(file) ? given : file
}

/** Size in bytes of the smallest page. SQLite treats a shorter file as empty, and overwrites it. */
const smallestDatabase = 512

/**
 * Checks, before a file is opened for writing, whether the file is or may become a file of Jobistemer.
 * - A file that does not exist passes.
 * - If a log or a journal is beside the file, this function reads the file through a read-only connection. A writing
 *   connection would recover the writes of a dead process, and thus change the file.
 * - Any other file is checked after it was opened, because opening does not change it.
 *
 * Only SQLite may open and close the file. If other code closes it, POSIX ends the locks of all connections of this
 * process. Another process may then delete the log.
 *
 * @throws JobistemerError `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`; errors of SQLite unchanged
 */
function inspectFile(file: string): void {
  const size = sizeOf(file)
  if (size === 0) return
  if (size < smallestDatabase)
    throw storageError(
      Object.assign(new Error('the file is too short to be an SQLite database'), { code: 'SQLITE_NOTADB' }),
      file,
    )
  assertMayWrite(file)
  // If the path is a symbolic link, SQLite keeps the log beside the file, not beside the link.
  const target = realpathSync(file)
  if (!existsSync(`${target}-wal`) && !existsSync(`${target}-journal`)) return
  // The connection is read-only, because a writing connection could remove the write-ahead log when it closes.
  const database = new Database(file, { readonly: true, fileMustExist: true, timeout: 0 })
  try {
    readVersion(database, file, '')
  } catch (error) {
    // Ignores the error of a read-only connection to a file whose log has unrecovered writes of a dead process. Only a
    // writing connection can recover these writes.
    if (!isReadonly(error)) throw error
  } finally {
    database.close()
  }
}

/**
 * Checks that the file is writable, before SQLite opens it. If the file is read-only, SQLite could not remove the side
 * files that it has created.
 */
function assertMayWrite(file: string): void {
  try {
    accessSync(file, constants.W_OK)
  } catch (error) {
    throw readonlyError(file, error)
  }
}

/** Returns the size in bytes; 0 also for a file that does not exist. */
function sizeOf(file: string): number {
  try {
    return statSync(file, { throwIfNoEntry: false })?.size ?? 0
  } catch (error) {
    throw unreadable(file, error)
  }
}

const unreadableFile: FailureMeaning = {
  code: 'STORAGE_UNREADABLE',
  message: 'The database file cannot be opened',
  remedy: 'Check that the path names a file in a directory that exists, and that this user may write to both.',
}

function unreadable(file: string, cause: unknown): JobistemerError {
  const detail = cause instanceof Error ? cause.message : String(cause)
  return failureOf(unreadableFile, detail, { field: 'file', value: file, cause })
}

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
    // With a table prefix, the file belongs to the user's application, so it need not be a file of Jobistemer.
    if (prefix === '') inspectFile(file)
    makeFile(file)
  }
  return new Database(file, { timeout: 0 })
}

/**
 * Mode of a new file: only its user may read and write it. SQLite's default is world-readable. Side files get the same mode.
 */
const fileMode = 0o600

/** Creates the file if it does not exist. Never opens an existing file, because closing it would release SQLite's locks. */
function makeFile(file: string): void {
  try {
    // `ax` fails if a symbolic link leads to a file that does not exist. `a` creates this file.
    const isDangling = !existsSync(file) && lstatSync(file, { throwIfNoEntry: false }) !== undefined
    closeSync(openSync(file, isDangling ? 'a' : 'ax', fileMode))
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
 * Checks that the file is writable, by a write that is rolled back. SQLite opens a read-only file without an error, and
 * fails only at the first write.
 *
 * If another process locks the file, the check passes without a wait. SQLite reports a missing right before it reports
 * a lock.
 */
function assertWritable(database: Database.Database, file: string, prefix: string): void {
  database.exec('BEGIN')
  try {
    database.exec(withTableNames(`UPDATE {${schemaTable}} SET version = version`, prefix))
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

/** Retries while other connections lock the file. The retries block the thread, so only the opening may call this. */
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

// The table `jobistemer_schema` stores how many migration steps have run on the tables with this prefix. The header of the
// file stays unchanged, because it may belong to the user's application.
const schemaTable = 'jobistemer_schema'

/**
 * Returns the number of migration steps that have run on the tables with this prefix; 0 if there are no such tables.
 * Without a prefix, the file must contain no other tables.
 *
 * @param known the number of steps that this package version has
 * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
 */
export function readVersion(
  database: Database.Database,
  file: string,
  prefix: string,
  known: number = migrations.length,
): number {
  const names = database
    .prepare('SELECT name FROM sqlite_schema WHERE substr(lower(name), 1, length($prefix)) = $prefix')
    .pluck()
    .all({ prefix }) as string[]
  if (names.length === 0) return 0
  if (!names.includes(prefix + schemaTable)) throw foreignTables(file, prefix, names[0] as string)
  const version = prepareRead(database, prefix).get() as number
  assertKnown(version, file, known)
  return version
}

function prepareRead(database: Database.Database, prefix: string): Database.Statement {
  return namedTables(database, prefix).pluck(`SELECT version FROM {${schemaTable}}`)
}

/** Stores the number of migration steps. Must be called within a transaction. */
function writeVersion(database: Database.Database, prefix: string, version: number): void {
  const columns = 'one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL'
  const sql = `CREATE TABLE IF NOT EXISTS {${schemaTable}} (${columns}) STRICT;
    INSERT OR REPLACE INTO {${schemaTable}} VALUES (1, ${version})`
  database.exec(withTableNames(sql, prefix))
}

/**
 * Checks in each writing transaction whether a newer package version has migrated the file since this process opened
 * it. The statements of the older package version in this process could damage the newer schema.
 */
export class SchemaWatch {
  readonly #version: Database.Statement
  readonly #file: string

  constructor(database: Database.Database, file: string, prefix: string) {
    this.#version = prepareRead(database, prefix)
    this.#file = file
  }

  /**
   * Checks that no newer package version has migrated the file.
   *
   * @throws JobistemerError `STORAGE_SCHEMA_NEWER`
   */
  assertKnown(): void {
    assertKnown(this.#version.get() as number, this.#file, migrations.length)
  }
}

function assertKnown(version: number, file: string, known: number): void {
  if (version <= known) return
  const message = `The database has schema ${version}, and this version knows ${known}: ${file}.`
  const remedy = 'Update @jobistemer/storage-sqlite, or give another file. Nothing was changed.'
  throw storageFailure('STORAGE_SCHEMA_NEWER', ['file', file], message, remedy)
}

function foreignTables(file: string, prefix: string, found: string): JobistemerError {
  if (prefix === '') {
    const message = `The database belongs to another application: ${file}.`
    const remedy =
      'Give a file of its own to Jobistemer; it makes one that does not exist. Or give tablePrefix, if its tables are to be among those of your application.'
    return storageFailure('STORAGE_FOREIGN', ['file', file], message, remedy)
  }
  const message = `The database has a table or index with the prefix ${JSON.stringify(prefix)} that is not Jobistemer's: ${found}.`
  const remedy = 'Give another tablePrefix, which no name in the database begins with.'
  return storageFailure('STORAGE_FOREIGN', ['tablePrefix', prefix], message, remedy)
}
