import Database from 'better-sqlite3'
import { sleep } from '../support/sleep.ts'
import type { UserRow, UserRows } from './user-rows.ts'

const pauseMs = 5

/** Creates the user's table before any node starts. */
export function makeSqliteRows(file: string): void {
  const database = new Database(file)
  database.exec(
    'PRAGMA journal_mode = WAL; CREATE TABLE moved (occurrence TEXT, task TEXT, attempt INTEGER, token INTEGER)',
  )
  database.close()
}

export class SqliteRows implements UserRows {
  readonly #database: Database.Database
  #line: Promise<unknown> = Promise.resolve()

  constructor(file: string) {
    this.#database = new Database(file, { timeout: 0 })
  }

  async move(row: UserRow, complete: (transaction: unknown) => Promise<void>, signal: AbortSignal): Promise<void> {
    // Transactions run one after the other, because a SQLite connection has one transaction at a time.
    const moving = this.#line.then(async () => await this.#move(row, complete, signal))
    this.#line = moving.catch(() => {})
    await moving
  }

  async #move(row: UserRow, complete: (transaction: unknown) => Promise<void>, signal: AbortSignal): Promise<void> {
    const database = this.#database
    await this.#begin(signal)
    try {
      database.prepare('INSERT INTO moved VALUES (?, ?, ?, ?)').run(row.occurrence, row.task, row.attempt, row.token)
      await complete(database)
      database.exec('COMMIT')
    } finally {
      if (database.inTransaction) database.exec('ROLLBACK')
    }
  }

  /** Begins the transaction. Waits without blocking the thread while another connection writes. */
  async #begin(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      try {
        this.#database.exec('BEGIN IMMEDIATE')
        return
      } catch (error) {
        if ((error as { readonly code?: unknown }).code !== 'SQLITE_BUSY') throw error
        await sleep(pauseMs)
      }
    }
  }

  async all(): Promise<readonly UserRow[]> {
    return this.#database.prepare('SELECT * FROM moved').all() as UserRow[]
  }

  async close(): Promise<void> {
    this.#database.close()
  }
}
