import type { JobId, StartRate } from '@jobistemer/core'
import type { HistoryLine } from '../record/history.ts'
import type { StoredLedger } from '../record/stored-ledger.ts'
import type { UserRow } from '../rows/user-rows.ts'
import type { WitnessLine } from '../record/witness.ts'
import type { RunClocks } from './run-clocks.ts'

/**
 * The record of a run: the lines that handlers wrote, the recorded events of the nodes and the driver, and the final
 * contents of the storage. These parts are written independently of each other.
 */
export interface RecordedRun {
  readonly jobs: readonly CheckedJob[]
  readonly clocks: RunClocks
  /** Time without a heartbeat after which peers declare a node dead, in ms. */
  readonly deadAfterMs: number
  /** The lines that the handlers wrote at their starts and ends. */
  readonly witness: readonly WitnessLine[]
  /** The storage's answers to the nodes, and the faults that the driver injected. */
  readonly history: readonly HistoryLine[]
  /** The rows of the user's table; `null` if the tasks write no rows. */
  readonly rows: readonly UserRow[] | null
  /** The contents of the storage at the end of the run. */
  readonly ledger: StoredLedger
}

/** The properties that a job must have, independent of the storage's contents. */
export interface CheckedJob {
  readonly id: JobId
  readonly name: string
  /** Whether the job limits its concurrent occurrences to `places`. */
  readonly isExclusive: boolean
  /** Names of the tasks that write a row in the transaction of their completion. */
  readonly movingTasks: readonly string[]
  /** Maximum number of active occurrences, if the job does not allow overlap. */
  readonly places: number
  /** The job's start rate; `null` without a limit. */
  readonly startRate: StartRate | null
  /** Returns the slots of the schedule in `(after, until]`, in epoch milliseconds. */
  slots(after: number, until: number): Iterable<number>
}
