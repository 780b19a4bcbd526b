import type { JobId } from '@jobistemer/core'
import type {
  CreateAnswer,
  CreateItem,
  Owner,
  SettleAnswer,
  SettleItem,
  SyncLedgerWithin,
} from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import { QuickSteps } from './quick-steps.ts'
import { SqliteJob } from './sqlite-job.ts'
import { isBusy, lockedOut, storageError } from './sqlite-errors.ts'
import { namedTables, withTableNames } from './table-names.ts'
import { type StoredOccurrence, Tables } from './tables.ts'
import { assertOpen } from './transaction.ts'

/** The ledger inside transactions of a user's, on one connection of the user's. */
export class TransactionLedger implements SyncLedgerWithin<StoredOccurrence> {
  readonly #database: Database.Database
  readonly #file: string
  readonly #tables: Tables
  readonly #quickSteps: QuickSteps
  readonly #foreignKeys: Database.Statement
  readonly #forbidCommit: Database.Statement
  #now = 0

  constructor(database: Database.Database, file: string, prefix: string) {
    this.#database = database
    this.#file = file
    this.#tables = new Tables(namedTables(database, prefix))
    this.#quickSteps = new QuickSteps(this.#tables)
    this.#foreignKeys = database.prepare('PRAGMA foreign_keys').safeIntegers(false).pluck()
    this.#forbidCommit = database.prepare(withTableNames('INSERT OR IGNORE INTO {no_commit} VALUES (1, 2)', prefix))
  }

  transaction<T>(now: number, step: () => T): T {
    const database = this.#database
    assertOpen(database)
    this.#now = now
    // What was remembered in an earlier transaction may have been rolled back.
    this.#tables.forget()
    let isBegun = false
    try {
      database.exec('SAVEPOINT jobistemer')
      isBegun = true
      this.#tables.startStep()
      const answer = step()
      this.#tables.endStep()
      database.exec('RELEASE jobistemer')
      return answer
    } catch (error) {
      // SQLite ends the whole transaction itself after some failures, a full disk for one.
      if (isBegun && database.inTransaction) database.exec('ROLLBACK TO jobistemer; RELEASE jobistemer')
      throw isBusy(error) ? lockedOut(this.#file, error) : storageError(error, this.#file)
    }
  }

  job(id: JobId): SqliteJob | undefined {
    const head = this.#tables.jobs.headOf(id)
    return head === undefined ? undefined : new SqliteJob(this.#tables, head, this.#now)
  }

  quickCreate(item: CreateItem, owner: Owner): CreateAnswer | null {
    return this.#quickSteps.create(item, owner, this.#now)
  }

  quickSettle(item: SettleItem): SettleAnswer | null {
    return this.#quickSteps.settle(item, this.#now)
  }

  /** A foreign key that leads nowhere, and that SQLite looks at when it commits; unless the user has turned these off. */
  forbidCommit(): void {
    const database = this.#database
    assertOpen(database)
    try {
      if (this.#foreignKeys.get() === 1) this.#forbidCommit.run()
    } catch (error) {
      // A handler may swallow the error and commit all the same: what cannot be forbidden must not be there any more.
      if (database.inTransaction) database.exec('ROLLBACK')
      throw storageError(error, this.#file)
    }
  }
}
