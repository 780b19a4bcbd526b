import { statSync } from 'node:fs'
import { JobistemerError } from '@jobistemer/core'

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
