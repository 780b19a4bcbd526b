import { JobistemerError } from '../../errors.ts'
import { upkeepMs } from '../../tuning.ts'
import type { Agenda, Alarm, SlotEntry } from './agenda.ts'
import { OwnContext } from './own-context.ts'

export interface FailureReporter {
  fail(where: string, error: unknown): void
}

/** The error with which storage calls without an answer reject when the scheduler stops. */
export class EngineStopped extends JobistemerError {
  constructor() {
    super('SCHEDULER_STATE', {
      message: 'The scheduler was shut down before the storage answered.',
      field: 'scheduler',
      value: 'stopped',
      remedy: 'The call may have taken effect: check the storage.',
    })
  }
}

interface LoopContext extends FailureReporter {
  readonly agenda: Agenda<SlotEntry>
}

/** Reports an error of background work, except {@link EngineStopped}. */
export function failInBackground(engine: FailureReporter, where: string, error: unknown): void {
  if (!(error instanceof EngineStopped)) engine.fail(where, error)
}

interface LoopOptions {
  /** The name of the loop in error reports. */
  readonly name: string
  /**
   * The work of one round. `byAlarm` is true if the loop's own alarm has started the round. It is false in two cases:
   * - A call of `run` has started the round.
   * - The round follows an earlier round during which the alarm rang.
   */
  readonly round: (byAlarm: boolean) => Promise<void>
  /**
   * Called at the end of a round if `run` was called or the alarm rang during the round. Default: runs a further round at once.
   */
  readonly again?: () => void
}

/**
 * Runs background work in rounds, one at a time. These rules apply:
 * - A call of `run`, or the alarm, starts a round.
 * - If `run` is called or the alarm rings during a round, one further round follows. If `again` is given, the loop calls
 *   `again` instead of this further round.
 * - Each round calls `runIn` to plan the next round. The loop sets no alarm by itself, except after an error.
 * - The loop reports the error of a round. After an error, the next round follows within 60 s.
 *
 * Rounds run in the async context in which the loop was created.
 */
export class BackgroundLoop implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly #engine: LoopContext
  readonly #options: LoopOptions
  readonly #context = new OwnContext()
  /** The promise of the current round, which never rejects; `null`: no round is in progress. */
  underWay: Promise<void> | null = null
  /** Whether `run` was called or the alarm rang during the current round. */
  isAskedAgain = false
  isStopped = false

  constructor(engine: LoopContext, options: LoopOptions) {
    this.#engine = engine
    this.#options = options
  }

  /** Runs a round now, or after the round in progress. An alarm that is set stays set, so its round still follows. */
  run(): void {
    this.#start(false)
  }

  /** Sets the alarm for the next round, in place of an earlier alarm. */
  runIn(delayMs: number): void {
    if (!this.isStopped) this.#engine.agenda.setAlarm(this, delayMs)
  }

  ring(): void {
    this.#start(true)
  }

  /** Starts no further round. Resolves when the round in progress has ended. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.#engine.agenda.cancelAlarm(this)
    await this.underWay
  }

  #start(byAlarm: boolean): void {
    if (this.isStopped) return
    if (this.underWay !== null) {
      this.isAskedAgain = true
      return
    }
    const { name, round } = this.#options
    this.underWay = this.#context.run(() =>
      round(byAlarm)
        .catch((error) => {
          failInBackground(this.#engine, name, error)
          if (!this.isStopped) this.#engine.agenda.advanceAlarm(this, upkeepMs)
        })
        .finally(() => this.#ended()),
    )
  }

  #ended(): void {
    this.underWay = null
    if (!this.isAskedAgain || this.isStopped) return
    this.isAskedAgain = false
    if (this.#options.again === undefined) this.run()
    else this.#options.again()
  }
}
