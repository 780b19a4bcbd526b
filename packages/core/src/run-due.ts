import { orDefault, readSignal, readObject } from './configuration/read-value.ts'
import { type DurationInput, toDurationMs } from './duration.ts'
import { dayMs } from './tuning.ts'

/** Options of `runDue`: how long a call may take. */
export interface RunDueOptions {
  /**
   * Maximum duration of the `runDue` call. At least 1 s, at most 1 d. Default 50 s. The call starts runs in about the first two
   * thirds of the budget. Near the end, the call aborts its runs and hands them back.
   */
  readonly budget?: DurationInput
  /** A signal that ends the call at once: the call aborts its runs and hands them back. Default: none. */
  readonly signal?: AbortSignal
}

/** What a call of `runDue` did. */
export interface RunDueReport {
  /** The node name of this call: each call of `runDue` is a node while it lasts. */
  readonly node: string
  /** When the call of `runDue` began. */
  readonly startedAt: Date
  /** Duration of the call, in milliseconds. */
  readonly durationMs: number
  /**
   * Why the call ended. `idle`: no work was due any more. `budget`: the budget was used up. `aborted`: the call's signal fired,
   * or the scheduler was shut down.
   */
  readonly ended: 'idle' | 'budget' | 'aborted'
  /** Number of runs that ended during the call, with any outcome. */
  readonly finished: number
  /** Number of runs that ended as failed or completed with errors during the call. */
  readonly failed: number
  /** Number of runs that the `runDue` call handed back unfinished. Another call or node continues these runs. */
  readonly handedBack: number
  /**
   * Number of runs whose handlers still ran at the end of the call. Another call takes over these runs if that call begins at
   * least 5 s after the end of this call's budget. The number leaves out runs of isolated tasks: the call kills their children
   * and hands the runs back.
   */
  readonly leftBehind: number
  /** Number of runs that the call took over from dead nodes and earlier calls. */
  readonly takenOver: number
  /**
   * When work is due next, as far as the call knows, so that a caller can schedule the next call. If due work is left, `nextAt`
   * is the end of this call: the next call can begin at once. If other calls have not ended as announced, `nextAt` is at the
   * latest the instant from which their runs can be taken over. `null` if no work lies ahead.
   */
  readonly nextAt: Date | null
}

/** The checked options of `runDue`: `budgetMs` in milliseconds; `signal` is `null` if the caller gave none. */
export interface CheckedRunDue {
  readonly budgetMs: number
  readonly signal: AbortSignal | null
}

/**
 * Checks the options of `runDue`.
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_DURATION`, `UNKNOWN_OPTION`
 */
export function readRunDueOptions(options: RunDueOptions): CheckedRunDue {
  readObject(options, 'options', ['budget', 'signal'])
  const bounds = { min: 1000, max: dayMs }
  return {
    budgetMs: toDurationMs(orDefault(options.budget, 50_000), 'budget', bounds),
    signal: readSignal(options.signal) ?? null,
  }
}
