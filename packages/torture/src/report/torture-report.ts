import type { ClockErrors } from '../checker/check-clocks.ts'
import type { Violation } from '../checker/violation.ts'
import type { FaultFigures } from '../driver/fault-runner.ts'
import type { Takeovers } from './takeovers.ts'
import type { TortureOptions } from '../torture-options.ts'

/** What a run showed. */
export interface TortureReport {
  readonly options: TortureOptions
  readonly violations: readonly Violation[]
  readonly figures: TortureFigures
  /** Where witness, history, the nodes' own output and the data are; `null` when they were removed. */
  readonly folder: string | null
  /** The last lines of the nodes' own output when a process ended that was not to; else `null`. */
  readonly log: string | null
}

export interface TortureFigures extends FaultFigures {
  /** Processes that killed themselves before or after a call of the storage. */
  readonly crashes: number
  /** Processes that were started. */
  readonly lives: number
  /** Times in seconds: from the start of the nodes to the end; until everything had recovered; until everything had ended after that. */
  readonly seconds: number
  readonly secondsToRecover: number
  readonly secondsToRest: number
  /** Occurrences in the ledger, by state. */
  readonly occurrences: Readonly<Record<string, number>>
  /** Attempts in the ledger, by state. */
  readonly attempts: Readonly<Record<string, number>>
  /** Slots that were recorded as missed, those in ranges included. */
  readonly missedSlots: number
  /** Occurrences that recovery of missed slots created. */
  readonly recovered: number
  /** Starts of handlers that the witness saw. */
  readonly starts: number
  /** Starts that had been decided before their owner was replaced: it was stopped in between. */
  readonly lateStarts: number
  /** Occurrences that were taken from an owner that was gone: as failed, or to be run again. */
  readonly reapedAsFailed: number
  readonly reapedToRetry: number
  /** Occurrences that came to an end under another owner than their first. */
  readonly rescued: number
  /** Occurrences that were taken from nodes that were taken for dead, whether they were or not. */
  readonly nodesLost: number
  /** Those whose process had been killed. */
  readonly takeovers: Takeovers
  /** What former owners said, and the storage refused. */
  readonly refusedWrites: number
  /** Calls of the storage that failed, and were repeated, by the code of the error. */
  readonly storageFailures: Readonly<Record<string, number>>
  /** How far the times that engines named were off those that they should have had, at most. */
  readonly clockErrors: ClockErrors
  /** Lines of witness and history that a kill cut off. */
  readonly tornLines: number
  /** Rows of a user's own table, each written with the end of a task; `null` where a storage cannot do that. */
  readonly rows: number | null
}
