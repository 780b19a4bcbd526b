import type { OccurrenceId } from '@jobistemer/core'

/** A row of the user's table, written in the transaction in which its task was completed. */
export interface UserRow {
  readonly occurrence: OccurrenceId
  readonly task: string
  /** The attempt that wrote the row, and the fencing token of its owner. */
  readonly attempt: number
  readonly token: number
}

/** A user's table beside those of the storage. */
export interface UserRows {
  /**
   * Writes a row in a transaction, calls `complete` with that transaction, and commits. Rejects if a step fails or the signal
   * fires. Even then the storage may have committed the row.
   */
  move(row: UserRow, complete: (transaction: unknown) => Promise<void>, signal: AbortSignal): Promise<void>
  all(): Promise<readonly UserRow[]>
  close(): Promise<void>
}
