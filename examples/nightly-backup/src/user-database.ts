import { closeSync, openSync, readSync } from 'node:fs'
import { JobistemerError } from '@jobistemer/core'
import Database from 'better-sqlite3'

// The first bytes of every SQLite database, see "Database File Format" in SQLite's documentation.
const signature = 'SQLite format 3\0'

/**
 * Checks that a file is a readable SQLite database. Opens the file read-only and creates nothing.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function checkUserDatabase(file: string): void {
  checkSignature(file)
  try {
    const database = new Database(file, { readonly: true, fileMustExist: true })
    try {
      database.prepare('SELECT count(*) FROM sqlite_schema').get()
    } finally {
      database.close()
    }
  } catch (cause) {
    throw refused(
      file,
      `cannot be read: ${(cause as Error).message}`,
      'Give a database that is whole and not encrypted.',
      cause,
    )
  }
}

/** Checks the first bytes of a file, because SQLite would accept an empty file as a database. */
function checkSignature(file: string): void {
  const start = Buffer.alloc(signature.length)
  let length: number
  try {
    const descriptor = openSync(file, 'r')
    try {
      length = readSync(descriptor, start)
    } finally {
      closeSync(descriptor)
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') throw refused(file, 'does not exist', 'Give the file of an SQLite database.', cause)
    if (code === 'EISDIR') throw refused(file, 'is a folder', 'Give the file of an SQLite database.', cause)
    throw refused(file, `cannot be read: ${message}`, 'Give a file that you may read.', cause)
  }
  if (length === 0) throw refused(file, 'is empty: there is nothing to back up', 'Give a database with tables.')
  if (start.toString('latin1', 0, length) !== signature) {
    throw refused(file, 'is not an SQLite database', 'Give an SQLite 3 database that is not encrypted.')
  }
}

function refused(file: string, problem: string, remedy: string, cause?: unknown): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `--db ${file} ${problem}.`,
    field: '--db',
    value: file,
    remedy,
    cause,
  })
}
