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
import { SchemaWatch } from './schema-home.ts'
import { SqliteJob } from './sqlite-job.ts'
import { isBusy, lockedOut, storageError } from './sqlite-errors.ts'
import { namedTables } from './table-names.ts'
import { type StoredOccurrence, Tables } from './tables.ts'
import { assertOpen } from './transaction.ts'

/** The ledger inside a user's transactions, on one connection of the user. */
export class TransactionLedger implements SyncLedgerWithin<StoredOccurrence> {
  readonly #database: Database.Database
  readonly #file: string
  readonly #tables: Tables
  readonly #quickSteps: QuickSteps
  readonly #schema: SchemaWatch
  readonly #foreignKeys: Database.Statement
  #now = 0

  constructor(database: Database.Database, file: string, prefix: string) {
    this.#database = database
    this.#file = file
    this.#tables = new Tables(namedTables(database, prefix))
    this.#quickSteps = new QuickSteps(this.#tables)
    this.#schema = new SchemaWatch(database, file, prefix)
    this.#foreignKeys = database.prepare('PRAGMA foreign_keys').safeIntegers(false).pluck()
  }

  transaction<T>(now: number, step: () => T): T {
    const database = this.#database
    assertOpen(database)
    this.#now = now
    // An earlier transaction may have rolled back remembered rows.
    this.#tables.forget()
    let isBegun = false
    try {
      database.exec('SAVEPOINT jobistemer')
      isBegun = true
      this.#schema.assertKnown()
      this.#tables.startStep()
      const answer = step()
      this.#tables.endStep()
      database.exec('RELEASE jobistemer')
      return answer
    } catch (error) {
      // After some failures, such as a full disk, SQLite itself ends the whole transaction.
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

  /**
   * Rolls the transaction back, and begins another one that cannot be committed, so that later writes have no effect either. A
   * foreign key in the original transaction would not suffice: a rollback to the user's savepoint would remove it, and the
   * commit would succeed. If the user has turned foreign keys off, no transaction is open afterwards.
   */
  forbidCommit(): void {
    const database = this.#database
    assertOpen(database)
    try {
      database.exec('ROLLBACK')
      if (this.#foreignKeys.get() === 1) database.exec(uncommittable)
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK')
      throw storageError(error, this.#file)
    }
  }
}

/**
 * A foreign key that refers to no row. SQLite checks it at the commit. The table is temporary, so the statement needs no
 * lock: another process may already be writing, and no writer waits for a transaction that cannot commit.
 */
const uncommittable = `
  BEGIN;
  CREATE TEMP TABLE jobistemer_no_commit (
    one INTEGER PRIMARY KEY,
    never INTEGER NOT NULL REFERENCES jobistemer_no_commit (one) DEFERRABLE INITIALLY DEFERRED
  );
  INSERT INTO temp.jobistemer_no_commit VALUES (1, 2)`
