import { longestTurnMs, mostStepsPerTurn } from './tuning.ts'
import type { Clock } from '../../clock.ts'
import { afterThisTurn } from '../../system-clock.ts'

/**
 * Keeps the event loop responsive. In-process storages answer within the current turn, and schedules of users may be slow.
 * A sequence of calls or steps would block timers and signals. So each storage call first awaits {@link pass}, and each
 * step of counting slots awaits {@link stepped}.
 *
 * When the budget of a turn is used up, calls and counting tasks wait for the next turn. There, all waiting calls of the
 * engine continue first. If no call of the engine waits, one call of a user continues. Then the counting tasks continue one
 * after the other, until the budget is used up again. While a call of a user waits, further ones wait behind it.
 */
export class YieldBudget {
  readonly #clock: Pick<Clock, 'monotonic' | 'track' | 'isAuthoritative'>
  /** Waiting calls of the engine. */
  readonly #own: (() => void)[] = []
  /** Waiting calls of users. */
  readonly #asked: (() => void)[] = []
  /** Waiting tasks that count slots. */
  readonly #counting: (() => void)[] = []
  /** Monotonic instant at which the engine began to work in the current turn; `null`: it has not. */
  #beganAt: number | null = null
  /** Monotonic instant at which the last step ended. */
  #readAt = 0
  #steps = 0
  /** Duration of the last step, in ms. Read it directly after {@link stepped} returned a promise. */
  lastStepMs = 0

  constructor(clock: Pick<Clock, 'monotonic' | 'track' | 'isAuthoritative'>) {
    this.#clock = clock
  }

  /**
   * Called before a storage call. `null`: the call may leave now. Otherwise the promise resolves in the turn in which the
   * call may leave. `isAsked`: a user waits for the call.
   */
  pass(isAsked: boolean): Promise<void> | null {
    // A virtual clock stands still while the engine works, so no time is used.
    if (this.#clock.isAuthoritative === true) return null
    const beganAt = this.#beganAt ?? this.#begin()
    const isLong = this.#clock.monotonic() - beganAt >= longestTurnMs
    if (!isLong && !(isAsked && this.#asked.length > 0)) return null
    return new Promise((resolve) => (isAsked ? this.#asked : this.#own).push(resolve))
  }

  /** A counting task calls this before its first step. The duration of that step counts from here. */
  begin(): void {
    if (this.#beganAt === null) this.#begin()
    else this.#readAt = this.#clock.monotonic()
  }

  /**
   * A counting task calls this after a step. `null`: continue now. Otherwise the promise resolves in the turn of the next
   * step.
   */
  stepped(): Promise<void> | null {
    const beganAt = this.#beganAt ?? this.#begin()
    const now = this.#clock.monotonic()
    this.#steps++
    this.lastStepMs = now - this.#readAt
    this.#readAt = now
    if (!this.#isUsedUp(beganAt, now)) return null
    const turn = new Promise<void>((resolve) => this.#counting.push(resolve))
    this.#clock.track?.(turn)
    return turn
  }

  #isUsedUp(beganAt: number, now: number): boolean {
    return now - beganAt >= longestTurnMs || this.#steps >= mostStepsPerTurn
  }

  #begin(): number {
    this.#beganAt = this.#readAt = this.#clock.monotonic()
    this.#steps = 0
    afterThisTurn(this.#next)
    return this.#beganAt
  }

  readonly #next = (): void => {
    this.#beganAt = null
    if (this.#own.length + this.#asked.length + this.#counting.length === 0) return
    this.#begin()
    const own = this.#own.splice(0)
    for (const goOn of own) goOn()
    if (own.length === 0) this.#asked.shift()?.()
    this.#count()
  }

  /** Resumes one counting task. When that task waits again or has ended, resumes the next one within the same turn. */
  readonly #count = (): void => {
    const goOn = this.#counting.shift()
    if (goOn === undefined) return
    goOn()
    if (this.#counting.length > 0) queueMicrotask(this.#whenQuiet)
  }

  /** `nextTick` from a microtask runs after all microtasks, so after the current work of the resumed task. */
  readonly #whenQuiet = (): void => {
    process.nextTick(this.#countInTurn)
  }

  readonly #countInTurn = (): void => {
    // The turn has ended. The waiting tasks continue in the next turn, which is already scheduled.
    if (this.#beganAt === null) return
    this.#readAt = this.#clock.monotonic()
    if (!this.#isUsedUp(this.#beganAt, this.#readAt)) this.#count()
  }
}
