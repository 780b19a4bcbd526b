import type { Storage } from '@jobistemer/core/storage'

/** A row of a user's table, written in the transaction that completes the task of an occurrence. */
export interface MovedRow {
  /** Id of the occurrence. */
  readonly id: string
  /** A unique text of the attempt. The attempt writes it into its row and returns it as the result of its task. */
  readonly mark: string
}

/** A user's transaction, on a connection that breaks on request. */
export interface HostileTransaction {
  /** The argument of `context.complete`. */
  readonly transaction: unknown
  /** Injects one fault into the statement that follows `statements` others on this connection, from any sender. */
  breakAfter(fault: string, statements: number): void
  write(row: MovedRow): Promise<void>
  /** Resolves when the commit is acknowledged. If it rejects, the commit may still have happened. */
  commit(): Promise<void>
  /**
   * Rolls an open transaction back and frees the connection. Returns the statement that the fault hit; `null` if it hit none.
   */
  end(): Promise<string | null>
}

/** A database with the tables of a storage and a user's table. */
export interface HostileDatabase {
  /** Opens a connection of the storage without faults. */
  connect(): Storage
  /** Whether an open transaction blocks all other writers. */
  readonly isExclusive: boolean
  /** The faults for {@link HostileTransaction.breakAfter}. */
  readonly faults: readonly string[]
  /** Further faults, which end this process. */
  readonly deadly: readonly string[]
  begin(): Promise<HostileTransaction>
  /**
   * Compares rows and ends of tasks: rows without an end, ends without a row, and double rows, one line each. One SQL statement
   * reads all of them as of one moment.
   */
  mismatches(): Promise<readonly string[]>
  /** The marks of all rows. */
  marks(): Promise<readonly string[]>
}
