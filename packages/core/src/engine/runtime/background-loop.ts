import { JobistemerError } from '../../errors.ts'
import type { Agenda, Alarm } from './agenda.ts'
import { OwnContext } from './own-context.ts'
import type { SlotEntry } from './slot-levels.ts'

export interface FailureReporter {
  fail(where: string, error: unknown): void
}

/** Thrown into calls that wait for a storage when the scheduler stops. */
export class EngineStopped extends JobistemerError {
  constructor() {
    super('SCHEDULER_STATE', {
      message: 'The scheduler was shut down before the storage answered.',
      field: 'scheduler',
      value: 'stopped',
      remedy: 'Whether the call took effect is in the storage: look there.',
    })
  }
}

interface LoopContext extends FailureReporter {
  readonly agenda: Agenda<SlotEntry>
}

/** Reports what went wrong in the background. A call that the shutdown ended is not worth a word. */
export function failInBackground(engine: FailureReporter, where: string, error: unknown): void {
  if (!(error instanceof EngineStopped)) engine.fail(where, error)
}

interface LoopOptions {
  /** Where a round failed, for the report. */
  readonly name: string
  /** The work. `byAlarm`: its time has come; otherwise somebody has asked for it. */
  readonly round: (byAlarm: boolean) => Promise<void>
  /** Called when a round has ended during which a further one was asked for. Default: run it at once. */
  readonly again?: () => void
  /** Nobody waits for its next round, see {@link Alarm}. Default false. */
  readonly isIdle?: boolean
}

/**
 * Work in the background: one round at a time, a further one when it was asked for meanwhile, and an alarm for the next.
 * Stopping waits for the round that is under way. What a round throws is reported, and the loop goes on. Rounds run in the
 * context that the loop was made in, whoever asks for them.
 */
export class BackgroundLoop implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly isIdle: boolean
  readonly #engine: LoopContext
  readonly #options: LoopOptions
  readonly #context = new OwnContext()
  #underWay: Promise<void> | null = null
  #isAskedAgain = false
  #isStopped = false

  constructor(engine: LoopContext, options: LoopOptions) {
    this.#engine = engine
    this.#options = options
    this.isIdle = options.isIdle ?? false
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  /** Resolves when the present round has ended; `null` when there is none. Never rejects. */
  get underWay(): Promise<void> | null {
    return this.#underWay
  }

  /** Whether a further round follows the present one. */
  get isAskedAgain(): boolean {
    return this.#isAskedAgain
  }

  /** Runs a round now, or after the one that is under way. */
  run(): void {
    this.#start(false)
  }

  /** Sets the alarm for the next round, in place of an earlier setting. */
  runIn(delayMs: number): void {
    if (!this.#isStopped) this.#engine.agenda.setAlarm(this, delayMs)
  }

  ring(): void {
    this.#start(true)
  }

  /** Starts no further round; resolves when the one that is under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#engine.agenda.cancelAlarm(this)
    await this.#underWay
  }

  #start(byAlarm: boolean): void {
    if (this.#isStopped) return
    if (this.#underWay !== null) {
      this.#isAskedAgain = true
      return
    }
    const { name, round } = this.#options
    this.#underWay = this.#context.run(() =>
      round(byAlarm)
        .catch((error) => failInBackground(this.#engine, name, error))
        .finally(() => this.#ended()),
    )
  }

  #ended(): void {
    this.#underWay = null
    if (!this.#isAskedAgain || this.#isStopped) return
    this.#isAskedAgain = false
    if (this.#options.again === undefined) this.run()
    else this.#options.again()
  }
}
