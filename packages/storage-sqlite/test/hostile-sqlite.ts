import type { Storage } from '@jobistemer/core/storage'
import type { HostileDatabase, HostileTransaction, MovedRow } from '@jobistemer/test-kit'
import Database from 'better-sqlite3'
import { type SqliteStorageOptions, sqliteStorage } from '../src/index.ts'
import { FaultyConnection, faultNames } from './faulty-connection.ts'

/** A file with the tables of a storage and one table of the user, and user connections that fail. */
export class HostileSqlite implements HostileDatabase {
  readonly isExclusive = true
  readonly faults: readonly string[] = faultNames
  readonly deadly: readonly string[] = []
  readonly #file: string
  readonly #options: Pick<SqliteStorageOptions, 'busyTimeout'>
  readonly #reader: Database.Database
  /**
   * Resolves when the last user transaction has ended. The file permits one write transaction at a time, so user
   * transactions wait for each other.
   */
  #line: Promise<unknown> = Promise.resolve()

  /**
   * Creates the user's table in the file. `busyTimeout`: how long a call of the storage may block the event loop while
   * a user's transaction is open.
   */
  constructor(file: string, options: Pick<SqliteStorageOptions, 'busyTimeout'> = {}) {
    this.#file = file
    this.#options = options
    this.#reader = new Database(file)
    this.#reader.exec('PRAGMA journal_mode = WAL; CREATE TABLE moved (id TEXT NOT NULL, mark TEXT NOT NULL)')
  }

  connect(): Storage {
    return sqliteStorage({ file: this.#file, tablePrefix: 'jobs_', synchronous: 'normal', ...this.#options })
  }

  async begin(): Promise<HostileTransaction> {
    let end = (): void => {}
    const before = this.#line
    this.#line = new Promise<void>((resolve) => {
      end = resolve
    })
    await before
    return new UserTransaction(new Database(this.#file), end)
  }

  async mismatches(): Promise<readonly string[]> {
    const tables = ['jobs_running', 'jobs_waiting', 'jobs_history']
    return this.#reader
      .prepare(
        `WITH runs AS (
           ${tables.map((table) => `SELECT lower(hex(id)) AS id, runs -> 0 AS run FROM ${table}`).join(' UNION ALL ')}
         ), done AS (
           SELECT id, coalesce(run ->> 3, run ->> 'result') AS mark FROM runs
           WHERE run ->> 1 = 2 OR run ->> 'state' = 'completed'
         )
         SELECT format('row %s of %s, end %s of %s', m.mark, m.id, d.mark, d.id)
         FROM done d FULL JOIN (SELECT replace(substr(id, 5), '-', '') AS id, mark FROM moved) m ON m.id = d.id
         WHERE d.mark IS NOT m.mark`,
      )
      .pluck()
      .all() as string[]
  }

  async marks(): Promise<readonly string[]> {
    return this.#reader.prepare('SELECT mark FROM moved').pluck().all() as string[]
  }

  close(): void {
    this.#reader.close()
  }
}

class UserTransaction implements HostileTransaction {
  readonly transaction: Database.Database
  readonly #real: Database.Database
  readonly #faulty: FaultyConnection
  readonly #ended: () => void

  constructor(real: Database.Database, ended: () => void) {
    this.#real = real
    this.#faulty = new FaultyConnection(real)
    this.transaction = this.#faulty.database
    this.#ended = ended
    // The test does not simulate power failures, so `synchronous = NORMAL` suffices.
    real.exec('PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE')
  }

  breakAfter(fault: string, statements: number): void {
    this.#faulty.breakAfter(fault, statements)
  }

  async write({ id, mark }: MovedRow): Promise<void> {
    this.#assertWithin()
    this.transaction.prepare('INSERT INTO moved VALUES (?, ?)').run(id, mark)
  }

  async commit(): Promise<void> {
    this.#assertWithin()
    this.transaction.exec('COMMIT')
  }

  /** Throws if the transaction was rolled back. The transaction tools of users throw in this case too. */
  #assertWithin(): void {
    if (!this.#real.inTransaction) throw new Error('rolled back')
  }

  async end(): Promise<string | null> {
    const broken = this.#faulty.heal()
    if (this.#real.open && this.#real.inTransaction) this.#real.exec('ROLLBACK')
    this.#real.close()
    this.#ended()
    return broken
  }
}
