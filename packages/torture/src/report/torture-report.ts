import type { ClockErrors } from '../checker/check-clocks.ts'
import type { Violation } from '../checker/violation.ts'
import type { FaultFigures } from '../driver/fault-runner.ts'
import type { Takeovers } from './takeovers.ts'
import type { TortureOptions } from '../torture-options.ts'

/** The result of a run. */
export interface TortureReport {
  readonly options: TortureOptions
  readonly violations: readonly Violation[]
  readonly figures: TortureFigures
  /** The folder with witness, history, output of the nodes and data; `null` if it was removed. */
  readonly folder: string | null
  /** The last output of the nodes if a process ended unexpectedly; otherwise `null`. */
  readonly log: string | null
}

export interface TortureFigures extends FaultFigures {
  /** Number of processes that killed themselves before or after a storage call. */
  readonly crashes: number
  /** Number of started processes. */
  readonly lives: number
  /** Times in seconds: of the whole run; until all jobs had recovered; and then until all occurrences had ended. */
  readonly seconds: number
  readonly secondsToRecover: number
  readonly secondsToRest: number
  /** Occurrences in the ledger, by state. */
  readonly occurrences: Readonly<Record<string, number>>
  /** Attempts in the ledger, by state. */
  readonly attempts: Readonly<Record<string, number>>
  /** Number of slots recorded as missed, including those in ranges. */
  readonly missedSlots: number
  /** Number of occurrences that recoveries of missed slots created. */
  readonly recovered: number
  /** Number of handler starts in the witness. */
  readonly starts: number
  /** Number of starts that were decided before their owner was replaced: the process was stopped in between. */
  readonly lateStarts: number
  /** Number of occurrences reaped from an owner that was gone: as failed, or to run again. */
  readonly reapedAsFailed: number
  readonly reapedToRetry: number
  /** Number of occurrences that ended under a later owner than their first. */
  readonly rescued: number
  /** Number of occurrences taken from nodes that were declared dead, rightly or not. */
  readonly nodesLost: number
  /** The takeovers from killed processes. */
  readonly takeovers: Takeovers
  /** Number of settles of former owners that the storage rejected. */
  readonly refusedWrites: number
  /** Number of failed and repeated storage calls, by error code. */
  readonly storageFailures: Readonly<Record<string, number>>
  /** Maximum errors of the times that engines named. */
  readonly clockErrors: ClockErrors
  /** Number of lines of witness and history that a kill cut off. */
  readonly tornLines: number
  /** Number of rows in the user's table, each written with the end of a task; `null` without support of the storage. */
  readonly rows: number | null
}
