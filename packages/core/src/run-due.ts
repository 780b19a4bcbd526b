import { orDefault, readMethods, readObject } from './configuration/read-value.ts'
import { type DurationInput, toDurationMs } from './duration.ts'
import { dayMs } from './tuning.ts'

/** How long a call of `runDue` may take. */
export interface RunDueOptions {
  /**
   * The call is over before so much time has passed since it began. In the first two thirds or so of it work begins. What
   * runs then may go on nearly to the end; before the end it is told to stop, and handed back. At least 1 s, at most 1 d.
   * Default 50 s.
   */
  readonly budget?: DurationInput
  /** Fires when the call is to end at once: what runs is told to stop, and handed back. Default: never. */
  readonly signal?: AbortSignal
}

/** What a call of `runDue` has done. */
export interface RunDueReport {
  /** The name of the node that the call was. */
  readonly node: string
  /** When the call began. */
  readonly startedAt: Date
  /** From its beginning to its end. */
  readonly durationMs: number
  /**
   * Why the call ended. `idle`: nothing was due any more. `budget`: its time was over. `aborted`: its signal fired, or the
   * scheduler was shut down.
   */
  readonly ended: 'idle' | 'budget' | 'aborted'
  /** How many runs the call has brought to their end, whatever that was. */
  readonly finished: number
  /** How many of them have failed, or completed with errors. */
  readonly failed: number
  /** Runs that the call has begun, or taken, and handed back unfinished: another call goes on with them. */
  readonly handedBack: number
  /**
   * Runs whose handlers did not stop in time, and were not waited for: a call that begins 5 s after the end of this one's budget, or
   * later, takes them over. Isolated tasks are killed, and handed back.
   */
  readonly leftBehind: number
  /** Runs that the call has taken from nodes and calls that are gone. */
  readonly takenOver: number
  /**
   * When something is due next, as far as the call knows: for whoever sets an alarm for the next call. The end of this call
   * when it has left something that is due; `null` when nothing is to come.
   */
  readonly nextAt: Date | null
}

/** What was asked for, checked. */
export interface CheckedRunDue {
  readonly budgetMs: number
  readonly signal: AbortSignal | null
}

/** @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_DURATION`, `UNKNOWN_OPTION` */
export function readRunDueOptions(options: RunDueOptions): CheckedRunDue {
  readObject(options, 'options', ['budget', 'signal'])
  const bounds = { min: 1000, max: dayMs }
  return {
    budgetMs: toDurationMs(orDefault(options.budget, 50_000), 'budget', bounds),
    signal:
      options.signal === undefined
        ? null
        : readMethods(options.signal, 'signal', ['addEventListener', 'removeEventListener']),
  }
}
