import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { JobistemerError } from '@jobistemer/core'
import type Database from 'better-sqlite3'

/**
 * Notices that the path of an open database leads to another file, or to none: SQLite goes on with the file that it has
 * opened, which no other process can find any more. One look takes one to two microseconds.
 */
export class FileWatch {
  readonly #file: string
  readonly #opened: string | null
  #isReplaced = false

  /** To be made once the database is open. */
  constructor(file: string) {
    this.#file = file
    this.#opened = identityOf(file)
  }

  /** @throws JobistemerError `STORAGE_REPLACED`, and from then on always, also when the file comes back */
  assertSame(): void {
    const present = this.#isReplaced ? null : identityOf(this.#file)
    if (present !== null && present === this.#opened) return
    const what = this.#isReplaced ? 'deleted or replaced' : present === null ? 'deleted' : 'replaced by another file'
    this.#isReplaced = true
    throw new JobistemerError('STORAGE_REPLACED', {
      message: `The database file was ${what} while it was open: ${this.#file}.`,
      field: 'file',
      value: this.#file,
      remedy: 'Stop all nodes before a database file is moved, deleted or restored, and start them afterwards.',
    })
  }
}

/** What stays the same as long as a path leads to the same file; `null` when it leads to none. */
export function identityOf(file: string): string | null {
  // As numbers, the ids of some file systems lose digits.
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? null : `${stats.dev} ${stats.ino}`
}

/** The file of an open connection, without links in its path; empty for a database in memory. */
export function mainFileOf(database: Database.Database): string {
  const list = database.pragma('database_list') as readonly { readonly name: string; readonly file: string }[]
  return list.find(({ name }) => name === 'main')?.file ?? ''
}

/**
 * The path by which an open connection is to be watched: the one that its caller gave, since where that leads is what counts,
 * or the file's own where the name was relative to a directory that is no longer the current one.
 */
export function pathOf(database: Database.Database): string {
  const given = resolve(database.name)
  const file = mainFileOf(database)
  return identityOf(given) === identityOf(file) ? given : file
}
