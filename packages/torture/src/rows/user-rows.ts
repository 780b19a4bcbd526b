import type { OccurrenceId } from '@jobistemer/core'

/** A row of the user's table. A handler wrote the row in the transaction that completed the task. */
export interface UserRow {
  readonly occurrence: OccurrenceId
  readonly task: string
  /** The number of the attempt that wrote the row, and the fencing token of the attempt's owner. */
  readonly attempt: number
  readonly token: number
}

/** A table of the user, in the database that also contains the storage. */
export interface UserRows {
  /**
   * Writes a row, calls `complete` in the same transaction, and commits. Rejects if a step fails or the signal fires.
   * Even if this method rejects, the database may have committed the row.
   */
  move(row: UserRow, complete: (transaction: unknown) => Promise<void>, signal: AbortSignal): Promise<void>
  all(): Promise<readonly UserRow[]>
  close(): Promise<void>
}
