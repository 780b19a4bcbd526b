import type { ClockErrors } from '../checker/check-clocks.ts'
import type { Violation } from '../checker/violation.ts'
import type { FaultFigures } from '../driver/fault-runner.ts'
import type { Takeovers } from './takeovers.ts'
import type { TortureOptions } from '../torture-options.ts'

/** The result of a torture run. */
export interface TortureReport {
  readonly options: TortureOptions
  readonly violations: readonly Violation[]
  readonly figures: TortureFigures
  /** The folder with the nodes' data, output and recorded lines; `null` if the torture test has removed this folder. */
  readonly folder: string | null
  /** The last output of the nodes if a process ended unexpectedly; otherwise `null`. */
  readonly log: string | null
}

export interface TortureFigures extends FaultFigures {
  /** Number of processes that killed themselves at a crash point. */
  readonly crashes: number
  /** Number of node processes that the driver started. */
  readonly lives: number
  /** Duration of the whole run, in seconds. */
  readonly seconds: number
  /** Time from the end of the faults until every job had run again, in seconds. */
  readonly secondsToRecover: number
  /** Time from the recovery of the jobs until all occurrences had ended, in seconds. */
  readonly secondsToRest: number
  /** Number of occurrences in the ledger, by state. */
  readonly occurrences: Readonly<Record<string, number>>
  /** Number of attempts in the ledger, by state. */
  readonly attempts: Readonly<Record<string, number>>
  /**
   * Number of slots that are recorded as missed. If one record stands for a range of missed slots, each slot of the
   * range counts.
   */
  readonly missedSlots: number
  /** Number of occurrences that recoveries of missed slots created. */
  readonly recovered: number
  /** Number of handler starts that the handlers recorded. */
  readonly starts: number
  /**
   * Number of handlers that started after their owner had lost the occurrence. The process had decided on the start
   * before the loss, and was then stopped for some time.
   */
  readonly lateStarts: number
  /** Number of occurrences that other nodes reaped as failed. */
  readonly reapedAsFailed: number
  /** Number of occurrences that other nodes reaped to run again. */
  readonly reapedToRetry: number
  /** Number of occurrences whose last owner is not their first owner. */
  readonly rescued: number
  /** Number of runs taken over from nodes that peers declared dead, rightly or wrongly. */
  readonly nodesLost: number
  /** Durations of the takeovers from killed processes. */
  readonly takeovers: Takeovers
  /** Number of settles by former owners that the storage rejected. */
  readonly refusedWrites: number
  /** Number of failed storage calls, including repeated calls, by error code. */
  readonly storageFailures: Readonly<Record<string, number>>
  /** How far the times in the engines' requests were from the right times at most. */
  readonly clockErrors: ClockErrors
  /** Number of incomplete recorded lines, which a kill cut off. */
  readonly tornLines: number
  /**
   * Number of rows that tasks wrote to the user's table in the transaction of their completion; `null` if the storage
   * cannot write in a user's transaction.
   */
  readonly rows: number | null
}
