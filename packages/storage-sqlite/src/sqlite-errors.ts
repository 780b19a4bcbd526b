import { JobistemerError } from '@jobistemer/core'
import { type FailureMeaning, failureOf, storageFailure } from '@jobistemer/core/storage'

/** Returns the code of an SQLite error (`SQLITE_FULL`, `SQLITE_IOERR_WRITE` …); `undefined` for other errors. */
function sqliteCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined
}

/** Whether the error says that another connection locks the file, so that a retry may help. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error)
  // SQLITE_PROTOCOL is a lock error too: after many tries, SQLite did not get a lock of the write-ahead log.
  return code !== undefined && /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)
}

/** Whether the error says that the file is read-only. */
export function isReadonly(error: unknown): boolean {
  return sqliteCode(error)?.startsWith('SQLITE_READONLY') === true
}

/** Returns whether the native part of better-sqlite3 is missing or was built for another version of Node.js. */
function isNotBuilt(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const { code } = error as { readonly code?: unknown }
  return code === 'ERR_DLOPEN_FAILED' || error.message.startsWith('Could not locate the bindings file')
}

type Meaning = FailureMeaning & { readonly pattern: RegExp }

const meanings: readonly Meaning[] = [
  {
    // On a full disk, SQLite reports SHMSIZE if it cannot extend the file `-shm`, for example when a node restarts.
    pattern: /^SQLITE_(FULL|IOERR_SHMSIZE)/,
    code: 'STORAGE_FULL',
    message: 'The disk, or the quota of the database file, is full. Nothing of the call was stored',
    remedy:
      'Free room on the disk, or raise the quota: prune() removes old history, whose pages are used again, but needs some room itself.',
  },
  {
    pattern: /^SQLITE_(CANTOPEN|READONLY|PERM|AUTH)/,
    code: 'STORAGE_UNREADABLE',
    message: 'The database file cannot be opened for reading and writing',
    remedy: 'Check that the path names a file, and that this user may write to it and to its directory.',
  },
  {
    pattern: /^SQLITE_NOTADB/,
    code: 'STORAGE_FOREIGN',
    message: 'The file is not a SQLite database',
    remedy: 'Give a file of its own to Jobistemer; it makes one that does not exist.',
  },
]

const otherFailure: FailureMeaning = {
  code: 'STORAGE_FAILED',
  message: 'SQLite failed',
  remedy: 'The cause says what happened. Nothing of the call was stored.',
}

const notBuilt: FailureMeaning = {
  code: 'STORAGE_UNREADABLE',
  message: 'The package better-sqlite3 is not built for this Node.js',
  remedy:
    'Run "npm rebuild better-sqlite3". Its install script builds it, which some package managers run only when that is allowed: "pnpm approve-builds", or "npm install-scripts approve better-sqlite3".',
}

/** Translates a failure of SQLite into the error that callers receive, with the failure as its cause. */
export function storageError(error: unknown, file: string): JobistemerError {
  if (JobistemerError.isInstance(error)) return error
  const about = { field: 'file', value: file, cause: error }
  if (isNotBuilt(error)) return failureOf(notBuilt, error.message.split('\n')[0] as string, about)
  const code = sqliteCode(error) ?? 'no code'
  const meaning = meanings.find(({ pattern }) => pattern.test(code)) ?? otherFailure
  return failureOf(meaning, `${code}: ${error instanceof Error ? error.message : String(error)}`, about)
}

export function busyError(file: string, waitedMs: number, cause: unknown): JobistemerError {
  const message = `Another process has kept the database locked for ${waitedMs} ms: ${file}.`
  const remedy = 'Find out who holds a transaction open on this file, or raise busyTimeout.'
  return storageFailure('STORAGE_BUSY', ['busyTimeout', waitedMs], message, remedy, cause)
}

/**
 * Returns the error of a user's transaction that cannot write, because another transaction has the lock or wrote after
 * the user's first read.
 */
export function lockedOut(file: string, cause: unknown): JobistemerError {
  const message = `The transaction cannot write, because another transaction writes, or has written since it began: ${file}.`
  const remedy = 'Roll it back and try again; begin it with BEGIN IMMEDIATE, which waits for the lock first.'
  return storageFailure('STORAGE_BUSY', ['transaction', file], message, remedy, cause)
}

export function readonlyError(file: string, cause: unknown): JobistemerError {
  const message = `The database file can be read, but not written: ${file}.`
  const remedy =
    'Let this user write to the file, to those beside it that end in -wal and -shm, and to their directory.'
  return storageFailure('STORAGE_UNREADABLE', ['file', file], message, remedy, cause)
}

export function closedError(file: string): JobistemerError {
  const message = `The SQLite storage is closed: ${file}.`
  const remedy = 'Shut the scheduler down before closing its storage, or open another one with sqliteStorage().'
  return storageFailure('STORAGE_CLOSED', ['file', file], message, remedy)
}
