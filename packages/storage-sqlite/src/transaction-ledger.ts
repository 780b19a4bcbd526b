import { JobistemerError, printValue } from '@jobistemer/core'
import type { SyncLedger, SyncLedgerWithin } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import { identityOf, mainFileOf, type OpenedDatabase, SchemaWatch } from './open-database.ts'
import { isConnection } from './options.ts'
import { QuickSteps } from './quick-steps.ts'
import { isBusy, lockedOut, storageError } from './sqlite-errors.ts'
import { type NamedTables, namedTables } from './schema.ts'
import { SqliteJob, type StoredOccurrence, Tables } from './tables.ts'

type Ledger = Required<SyncLedger<StoredOccurrence>>

/** The ledger methods that core calls within a step, on a connection of the storage or of the user. */
export class TableSteps {
  readonly tables: Tables
  readonly #quickSteps: QuickSteps
  /** The instant `now` of the storage call whose step is in progress. */
  now = 0

  constructor(database: NamedTables) {
    this.tables = new Tables(database)
    this.#quickSteps = new QuickSteps(this.tables)
  }

  readonly job = (id: Parameters<Ledger['job']>[0]): SqliteJob | undefined => {
    const head = this.tables.jobs.headOf(id)
    return head === undefined ? undefined : new SqliteJob(this.tables, head, this.now)
  }

  readonly quickCreate: Ledger['quickCreate'] = (item, owner) => this.#quickSteps.create(item, owner, this.now)
  readonly quickSettle: Ledger['quickSettle'] = (item) => this.#quickSteps.settle(item, this.now)
}

const accepted = 'Give the connection of better-sqlite3 that your transaction is open on, to the file of the storage.'

/**
 * Returns the user's connection, on which the storage writes in the same transaction as the user.
 *
 * Rejects a connection of another copy of better-sqlite3. Each copy has its own SQLite, and POSIX locks belong to the process:
 * if one copy closes the file, the other copy loses its locks.
 *
 * @throws JobistemerError `INVALID_TRANSACTION`
 */
export function readTransaction(
  transaction: unknown,
  own: Pick<OpenedDatabase, 'database' | 'file'>,
): Database.Database {
  if (!isConnection(transaction)) {
    throw invalid(transaction, `transaction is no connection of better-sqlite3: ${printValue(transaction)}`, accepted)
  }
  const { name } = transaction
  if (transaction === own.database || own.database.memory) {
    const remedy = 'Open the storage by file, so that it has a connection of its own beside yours.'
    throw invalid(name, `The storage works on the very connection that transaction is: ${printValue(name)}`, remedy)
  }
  if (!(transaction instanceof own.database.constructor)) {
    const remedy =
      'Install the version that @jobistemer/storage-sqlite uses: "npm ls better-sqlite3" must list one copy.'
    throw invalid(name, `transaction is a connection of another copy of better-sqlite3: ${printValue(name)}`, remedy)
  }
  if (!transaction.open) throw invalid(name, `The connection of transaction is closed: ${printValue(name)}`, accepted)
  assertOpen(transaction)
  const file = mainFileOf(transaction as Database.Database)
  if (file === '' || identityOf(file) !== identityOf(own.file)) {
    throw invalid(
      file,
      `transaction is on another file than the storage: ${printValue(file)}`,
      `The storage is in ${printValue(own.file)}. Keep both in one file, with tablePrefix: an attached file is not safe.`,
    )
  }
  return transaction as Database.Database
}

/** @throws JobistemerError `INVALID_TRANSACTION` */
function assertOpen({ inTransaction, name }: Pick<Database.Database, 'inTransaction' | 'name'>): void {
  if (inTransaction) return
  const remedy = 'Begin one, best with BEGIN IMMEDIATE, and await this call before its end.'
  throw invalid(name, `No transaction is open on the connection that transaction is: ${printValue(name)}`, remedy)
}

function invalid(value: unknown, problem: string, remedy: string): JobistemerError {
  return new JobistemerError('INVALID_TRANSACTION', { message: `${problem}.`, field: 'transaction', value, remedy })
}

/** The ledger for all user transactions on one connection of the user. */
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
      this.tables.due.endStep()
      database.exec('RELEASE jobistemer')
      return answer
    } catch (error) {
      // After a failure such as a full disk, SQLite has already ended the transaction, and a rollback to the savepoint would
      // fail.
      if (isBegun && database.inTransaction) database.exec('ROLLBACK TO jobistemer; RELEASE jobistemer')
      throw isBusy(error) ? lockedOut(this.#file, error) : storageError(error, this.#file)
    }
  }

  /**
   * Makes sure that the user cannot commit the transaction:
   *
   * - This method rolls the user's transaction back.
   * - Then it begins a new transaction that violates a foreign key. SQLite rejects the commit of the new transaction,
   *   so later writes of the user have no effect.
   * - If the user has turned foreign keys off, it begins no new transaction.
   *
   * The violation must be in a new transaction. In the user's transaction, a rollback to a savepoint could undo the
   * violation.
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
