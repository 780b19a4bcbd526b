import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { JobistemerError } from '@jobistemer/core'
import Database from 'better-sqlite3'
import { applicationId, migrations } from './schema.ts'

/** What marks a database as one's own, and its schema. */
export interface FileMarks {
  readonly applicationId: number
  readonly version: number
  /** True when there is no table in it. */
  readonly isEmpty: boolean
}

/**
 * Looks whether a file may become or is one of Jobistemer's, without changing a byte of it or making files beside it.
 * A file that does not exist may.
 * @throws JobistemerError `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`; errors of SQLite as they are
 */
export function inspectFile(file: string): void {
  const marks = readMarks(file)
  if (marks !== null) assertUsable(marks, file)
}

/** @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER` */
export function assertUsable(marks: FileMarks, file: string, known: number = migrations.length): void {
  const isOwn = marks.applicationId === applicationId
  const isBlank = marks.applicationId === 0 && marks.version === 0 && marks.isEmpty
  if (!isOwn && !isBlank) {
    throw new JobistemerError('STORAGE_FOREIGN', {
      message: `The database belongs to another application: ${file}.`,
      field: 'file',
      value: file,
      remedy:
        'Give a file of its own to Jobistemer; it makes one that does not exist. Or give tablePrefix, if its tables are to be among those of your application.',
    })
  }
  assertKnown(marks.version, file, known)
}

/** @throws JobistemerError `STORAGE_SCHEMA_NEWER` */
export function assertKnown(version: number, file: string, known: number): void {
  if (version <= known) return
  throw new JobistemerError('STORAGE_SCHEMA_NEWER', {
    message: `The database has schema ${version}, and this version knows ${known}: ${file}.`,
    field: 'file',
    value: file,
    remedy: 'Update @jobistemer/storage-sqlite, or give another file. Nothing was changed.',
  })
}

// The first hundred bytes of every SQLite database, and the head of the page that lists its tables.
const magic = 'SQLite format 3\0'
const headerBytes = 105
const userVersionAt = 60
const applicationIdAt = 68
const pageTypeAt = 100
const cellCountAt = 103
const leafTable = 13

function readMarks(file: string): FileMarks | null {
  const header = readHeader(file)
  if (header === null || header.length === 0) return null
  if (header.length < headerBytes || header.toString('latin1', 0, magic.length) !== magic) {
    throw new JobistemerError('STORAGE_FOREIGN', {
      message: `The file is not a SQLite database: ${file}.`,
      field: 'file',
      value: file,
      remedy: 'Give a file of its own to Jobistemer; it makes one that does not exist.',
    })
  }
  // The log beside the file, if there is one, may have newer marks than the file.
  if (sizeOf(`${file}-wal`) > 0) return readMarksWithLog(file)
  return {
    applicationId: header.readInt32BE(applicationIdAt),
    version: header.readInt32BE(userVersionAt),
    isEmpty: header[pageTypeAt] === leafTable && header.readUInt16BE(cellCountAt) === 0,
  }
}

/** The beginning of the file; `null` when it does not exist. */
function readHeader(file: string): Buffer | null {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw unreadable(file, error)
  }
  try {
    const header = Buffer.alloc(headerBytes)
    return header.subarray(0, readSync(descriptor, header, 0, headerBytes, 0))
  } catch (error) {
    throw unreadable(file, error)
  } finally {
    closeSync(descriptor)
  }
}

function readMarksWithLog(file: string): FileMarks {
  // A reader leaves the log where it is when it closes.
  const database = new Database(file, { readonly: true, fileMustExist: true })
  try {
    return marksOf(database)
  } finally {
    database.close()
  }
}

/** The marks of an open database, as they are at one moment: another process may be making it just now. */
export function marksOf(database: Database.Database): FileMarks {
  return database.inTransaction ? readMarksOf(database) : database.transaction(readMarksOf)(database)
}

function readMarksOf(database: Database.Database): FileMarks {
  return {
    applicationId: database.pragma('application_id', { simple: true }) as number,
    version: database.pragma('user_version', { simple: true }) as number,
    isEmpty: database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined,
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

export function unreadable(file: string, cause: unknown): JobistemerError {
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new JobistemerError('STORAGE_UNREADABLE', {
    message: `The database file cannot be opened (${detail}): ${file}.`,
    field: 'file',
    value: file,
    remedy: 'Check that the path names a file in a directory that exists, and that this user may write to both.',
    cause,
  })
}
