import type { JobId, StartRate } from '@jobistemer/core'
import type { HistoryLine } from '../record/history.ts'
import type { StoredLedger } from '../record/stored-ledger.ts'
import type { UserRow } from '../rows/user-rows.ts'
import type { WitnessLine } from '../record/witness.ts'
import type { RunClocks } from './run-clocks.ts'

/** The record of a run: three accounts that were written independently of each other. */
export interface RecordedRun {
  readonly jobs: readonly CheckedJob[]
  readonly clocks: RunClocks
  /** Silence after which other nodes declare a node dead. */
  readonly deadAfterMs: number
  /** The lines of the handlers. */
  readonly witness: readonly WitnessLine[]
  /** The answers of the storage to the processes, and the faults of the driver. */
  readonly history: readonly HistoryLine[]
  /** The rows of the user's table; `null` if tasks write none. */
  readonly rows: readonly UserRow[] | null
  /** The contents of the storage at the end. */
  readonly ledger: StoredLedger
}

/** The properties that a job must have, independent of the storage's contents. */
export interface CheckedJob {
  readonly id: JobId
  readonly name: string
  /** Whether at most one occurrence may run at a time, or at most `places`. */
  readonly isExclusive: boolean
  /** The tasks that write a row in the transaction of their end. */
  readonly movingTasks: readonly string[]
  /** Maximum number of active occurrences, if the job is exclusive. */
  readonly places: number
  /** The start rate; `null` without a limit. */
  readonly startRate: StartRate | null
  /** The instants of the schedule in `(after, until]`, in epoch milliseconds. */
  slots(after: number, until: number): Iterable<number>
}
