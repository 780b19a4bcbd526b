import { accessSync, constants, existsSync, statSync } from 'node:fs'
import type { JobistemerError } from '@jobistemer/core'
import { type FailureMeaning, failureOf } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { readVersion } from './schema-home.ts'
import { isReadonly, readonlyError, storageError } from './sqlite-errors.ts'

/** Size in bytes of the smallest page. SQLite treats a shorter file as empty, and overwrites it. */
const smallestDatabase = 512

/**
 * Checks, before a file is opened for writing, whether it is or may become a file of Jobistemer. A file that does not
 * exist passes.
 *
 * A file with a log or a journal beside it is read through a read-only connection. A writing connection would change
 * the file, because it recovers the writes of a dead process. Any other file is checked after it was opened, because
 * opening does not change it.
 *
 * Only SQLite may open and close the file. If other code closes it, POSIX ends the locks of all connections of this
 * process, and another process may delete the log.
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
  // When a read-only connection closes, it does not remove the write-ahead log.
  const database = new Database(file, { readonly: true, fileMustExist: true, timeout: 0 })
  try {
    readVersion(database, file, '')
  } catch (error) {
    // The error is ignored if SQLite must first recover the writes of a dead process, because only a writing connection
    // can do that.
    if (!isReadonly(error)) throw error
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
