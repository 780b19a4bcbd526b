import type { Storage } from '@jobistemer/core/storage'

/** A row of a user's, written in the transaction in which the task of an occurrence is completed. */
export interface MovedRow {
  /** The occurrence. */
  readonly id: string
  /** What the attempt has written into its row, and gives as the result of its task: no other attempt has the same. */
  readonly mark: string
}

/** A user's transaction, on a connection that breaks as it is told. */
export interface HostileTransaction {
  /** For `context.complete`. */
  readonly transaction: unknown
  /** One fault, in the statement that comes after so many others on this connection, whoever sends it. */
  breakAfter(fault: string, statements: number): void
  write(row: MovedRow): Promise<void>
  /** Resolves when the commit is acknowledged. When it rejects, it may have happened all the same. */
  commit(): Promise<void>
  /** Rolls back what is open, and gives the connection back. Answers in which statement the fault has come; `null`: it has not. */
  end(): Promise<string | null>
}

/** A database with the tables of a storage, and beside them one of a user's. */
export interface HostileDatabase {
  /** A connection of Jobistemer's, which nothing happens to. */
  connect(): Storage
  /** Whether nobody else can write while a transaction is open. */
  readonly isExclusive: boolean
  /** The faults that {@link HostileTransaction.breakAfter} knows. */
  readonly faults: readonly string[]
  /** Further ones, which end this process. */
  readonly deadly: readonly string[]
  begin(): Promise<HostileTransaction>
  /**
   * Rows without the end of their task, ends without their row, rows that are there twice: one line for each. By one
   * statement of SQL over all rows and all ends, as of one moment.
   */
  mismatches(): Promise<readonly string[]>
  /** The marks of all rows. */
  marks(): Promise<readonly string[]>
}
