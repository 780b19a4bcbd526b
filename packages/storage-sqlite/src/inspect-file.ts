import { accessSync, constants, existsSync, statSync } from 'node:fs'
import type { JobistemerError } from '@jobistemer/core'
import { type FailureMeaning, failureOf, storageFailure } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { applicationId, migrations } from './schema.ts'
import { isReadonly, readonlyError, storageError } from './sqlite-errors.ts'

/** The header fields of a database file that identify the file as Jobistemer's, and state its schema version. */
export interface FileMarks {
  readonly applicationId: number
  readonly version: number
  /** Whether the database contains no table. */
  readonly isEmpty: boolean
}

/** Size in bytes of the smallest page. SQLite treats a shorter file as empty, and overwrites it. */
const smallestDatabase = 512

/**
 * Checks, before a file is opened for writing, whether it is or may become a file of Jobistemer. A file that does not exist
 * passes.
 *
 * Opening a file could roll back or merge what its last writer left beside it. A file without such remains is checked after
 * opening: until the first write, SQLite does not change it, and removes what it created beside it.
 *
 * All checks use SQLite. Where files have POSIX locks, closing a file that was opened without SQLite ends the locks of
 * every connection of this process to that file. Then another process may delete the log that these connections write
 * to.
 *
 * @throws JobistemerError `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`; errors of SQLite unchanged
 */
export function inspectFile(file: string): void {
  const size = sizeOf(file)
  if (size === 0) return
  if (size < smallestDatabase)
    throw storageError(
      Object.assign(new Error('the file is too short to be an SQLite database'), { code: 'SQLITE_NOTADB' }),
      file,
    )
  assertMayWrite(file)
  if (!existsSync(`${file}-wal`) && !existsSync(`${file}-journal`)) return
  const marks = readMarks(file)
  if (marks !== null) assertUsable(marks, file)
}

/**
 * Checks that a file is Jobistemer's or empty, and that this package version knows its schema version.
 *
 * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
 */
export function assertUsable(marks: FileMarks, file: string, known: number = migrations.length): void {
  const isOwn = marks.applicationId === applicationId
  const isBlank = marks.applicationId === 0 && marks.version === 0 && marks.isEmpty
  if (!isOwn && !isBlank) {
    const message = `The database belongs to another application: ${file}.`
    const remedy =
      'Give a file of its own to Jobistemer; it makes one that does not exist. Or give tablePrefix, if its tables are to be among those of your application.'
    throw storageFailure('STORAGE_FOREIGN', ['file', file], message, remedy)
  }
  assertKnown(marks.version, file, known)
}

/**
 * Checks that this package version knows the schema version of a file.
 *
 * @throws JobistemerError `STORAGE_SCHEMA_NEWER`
 */
export function assertKnown(version: number, file: string, known: number): void {
  if (version <= known) return
  const message = `The database has schema ${version}, and this version knows ${known}: ${file}.`
  const remedy = 'Update @jobistemer/storage-sqlite, or give another file. Nothing was changed.'
  throw storageFailure('STORAGE_SCHEMA_NEWER', ['file', file], message, remedy)
}

/**
 * Reads the header fields. Returns `null` if SQLite must first recover the writes of a dead process, which only a writing
 * connection can do.
 */
function readMarks(file: string): FileMarks | null {
  // When a read-only connection closes, it does not remove the write-ahead log.
  const database = new Database(file, { readonly: true, fileMustExist: true, timeout: 0 })
  try {
    return marksOf(database)
  } catch (error) {
    if (isReadonly(error)) return null
    throw error
  } finally {
    database.close()
  }
}

/** Checks that the file is writable, because SQLite cannot remove side files of a read-only file. */
function assertMayWrite(file: string): void {
  try {
    accessSync(file, constants.W_OK)
  } catch (error) {
    throw readonlyError(file, error)
  }
}

/** Reads the header fields of an open database from one snapshot, because another process may be creating the database. */
export function marksOf(database: Database.Database): FileMarks {
  return database.inTransaction ? readMarksOf(database) : database.transaction(readMarksOf)(database)
}

function readMarksOf(database: Database.Database): FileMarks {
  return {
    // The caller's connection may return integers as BigInt.
    applicationId: Number(database.pragma('application_id', { simple: true })),
    version: Number(database.pragma('user_version', { simple: true })),
    isEmpty: database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined,
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

export function unreadable(file: string, cause: unknown): JobistemerError {
  const detail = cause instanceof Error ? cause.message : String(cause)
  return failureOf(unreadableFile, detail, { field: 'file', value: file, cause })
}
