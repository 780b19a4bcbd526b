import type { OccurrenceId } from '@jobistemer/core'

/** A row of a user's own table, written in the transaction in which its task was completed. */
export interface UserRow {
  readonly occurrence: OccurrenceId
  readonly task: string
  /** The attempt that has written it, with the fencing token of its owner. */
  readonly attempt: number
  readonly token: number
}

/** A user's own table beside those of the storage. */
export interface UserRows {
  /**
   * Writes a row in a transaction, calls `complete` with that, and commits. Rejects when one of them fails, or when the
   * signal fires: whether the row is there, the storage decides.
   */
  move(row: UserRow, complete: (transaction: unknown) => Promise<void>, signal: AbortSignal): Promise<void>
  all(): Promise<readonly UserRow[]>
  close(): Promise<void>
}
