import type { JobId, StartRate } from '@jobistemer/core'
import type { HistoryLine } from '../record/history.ts'
import type { StoredLedger } from '../record/stored-ledger.ts'
import type { UserRow } from '../rows/user-rows.ts'
import type { WitnessLine } from '../record/witness.ts'
import type { RunClocks } from './run-clocks.ts'

/** All that is known of a run: three accounts that were written independently of each other. */
export interface RecordedRun {
  readonly jobs: readonly CheckedJob[]
  readonly clocks: RunClocks
  /** Who says nothing for so long is dead for others. */
  readonly deadAfterMs: number
  /** What the handlers saw. */
  readonly witness: readonly WitnessLine[]
  /** What the processes were told by the storage, and what was done to them. */
  readonly history: readonly HistoryLine[]
  /** The rows of a user's own table; `null` where tasks write none. */
  readonly rows: readonly UserRow[] | null
  /** What the storage holds in the end. */
  readonly ledger: StoredLedger
}

/** What has to hold for a job, whatever the storage says of it. */
export interface CheckedJob {
  readonly id: JobId
  readonly name: string
  /** No two occurrences run at once. */
  readonly isExclusive: boolean
  /** The tasks that write a row in the transaction of their end. */
  readonly movingTasks: readonly string[]
  /** How many of them may be active at once, where it is exclusive. */
  readonly places: number
  /** How often they may start; `null`: as often as they are due. */
  readonly startRate: StartRate | null
  /** The instants of the schedule after one and up to another, in epoch milliseconds. */
  slots(after: number, until: number): Iterable<number>
}
