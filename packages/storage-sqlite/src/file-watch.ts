import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { storageFailure } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'

/**
 * Detects that the path of an open database leads to another file, or to none. SQLite would continue with the opened file,
 * which other processes cannot find any more. One check takes 1 to 2 µs.
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
   * @throws JobistemerError `STORAGE_REPLACED`, and from then on at each call, even if the original file returns
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
 * Returns the path to watch for an open connection. This is the path with which the connection was opened, or the
 * file's own path if that path was relative to an earlier current directory.
 */
export function pathOf(database: Database.Database): string {
  const given = resolve(database.name)
  const file = mainFileOf(database)
  return identityOf(given) === identityOf(file) ? given : file
}
