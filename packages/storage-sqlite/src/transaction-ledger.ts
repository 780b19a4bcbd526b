import type { SyncLedgerWithin } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import { SchemaWatch } from './schema-home.ts'
import { isBusy, lockedOut, storageError } from './sqlite-errors.ts'
import { namedTables } from './table-names.ts'
import { TableSteps } from './table-steps.ts'
import type { StoredOccurrence } from './tables.ts'
import { assertOpen } from './transaction.ts'

/** The ledger inside of a user's transactions, on one connection of the user. */
export class TransactionLedger extends TableSteps implements SyncLedgerWithin<StoredOccurrence> {
  readonly #database: Database.Database
  readonly #file: string
  readonly #schema: SchemaWatch
  readonly #foreignKeys: Database.Statement

  constructor(database: Database.Database, file: string, prefix: string) {
    super(namedTables(database, prefix))
    this.#database = database
    this.#file = file
    this.#schema = new SchemaWatch(database, file, prefix)
    this.#foreignKeys = database.prepare('PRAGMA foreign_keys').safeIntegers(false).pluck()
  }

  transaction<T>(now: number, step: () => T): T {
    const database = this.#database
    assertOpen(database)
    this.now = now
    // An earlier transaction may have been rolled back, so cached rows may not exist.
    this.tables.forget()
    let isBegun = false
    try {
      database.exec('SAVEPOINT jobistemer')
      isBegun = true
      this.#schema.assertKnown()
      this.tables.startStep()
      const answer = step()
      this.tables.endStep()
      database.exec('RELEASE jobistemer')
      return answer
    } catch (error) {
      // After some failures, such as a full disk, SQLite itself has already ended the whole transaction, and a rollback
      // to the savepoint would fail.
      if (isBegun && database.inTransaction) database.exec('ROLLBACK TO jobistemer; RELEASE jobistemer')
      throw isBusy(error) ? lockedOut(this.#file, error) : storageError(error, this.#file)
    }
  }

  /**
   * Rolls the transaction back, and begins a transaction that cannot be committed, so that later writes have no effect
   * either.
   *
   * In the original transaction, a rollback to the user's savepoint would undo the violated foreign key. If the user
   * has turned foreign keys off, no transaction is open after this call.
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
 * Inserts a row whose foreign key refers to no row. SQLite checks the foreign key at the commit, so the commit fails.
 * The table is temporary, so the statements need no write lock: they succeed while another process writes, and block no
 * writer.
 */
const uncommittable = `
  BEGIN;
  CREATE TEMP TABLE jobistemer_no_commit (
    one INTEGER PRIMARY KEY,
    never INTEGER NOT NULL REFERENCES jobistemer_no_commit (one) DEFERRABLE INITIALLY DEFERRED
  );
  INSERT INTO temp.jobistemer_no_commit VALUES (1, 2)`
