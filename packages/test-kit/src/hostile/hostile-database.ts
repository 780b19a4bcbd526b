import type { Storage } from '@jobistemer/core/storage'

/** A row of a user's table. A handler writes the row in the transaction that completes its task. */
export interface MovedRow {
  /** The id of the occurrence whose handler wrote the row. */
  readonly id: string
  /** A text that is unique to the attempt. The row of the attempt and the result of its task contain this text. */
  readonly mark: string
}

/** A user's transaction on a connection that breaks on request. */
export interface HostileTransaction {
  /** The transaction as an argument of `context.complete`. */
  readonly transaction: unknown
  /**
   * Injects a fault into a later statement of this connection. `statements`: number of statements before the statement that
   * the fault hits. Statements of the user and of the storage count.
   */
  breakAfter(fault: string, statements: number): void
  write(row: MovedRow): Promise<void>
  /**
   * Commits the transaction. Resolves after the acknowledgement. If the call rejects, the database may still have
   * committed the transaction.
   */
  commit(): Promise<void>
  /**
   * Rolls back an open transaction, and frees the connection. Returns the statement that the fault hit; `null` if the fault hit
   * none.
   */
  end(): Promise<string | null>
}

/** A database with the tables of a storage and a table of the user. */
export interface HostileDatabase {
  /** Opens a storage connection without faults. */
  connect(): Storage
  /** `true` if an open transaction blocks all other writers. */
  readonly isExclusive: boolean
  /** The names of the faults for {@link HostileTransaction.breakAfter}. */
  readonly faults: readonly string[]
  /** The names of the faults that end this process. `faults` does not contain them. */
  readonly deadly: readonly string[]
  begin(): Promise<HostileTransaction>
  /**
   * Compares rows with completed tasks, as of one moment: a single SQL statement reads both. Returns one line for each of
   * these contradictions:
   *
   * - a row without a completed task
   * - a completed task without a row
   * - a second row of a task
   */
  mismatches(): Promise<readonly string[]>
  /** Returns the `mark` of each row of the user's table. */
  marks(): Promise<readonly string[]>
}
