import type { Clock } from '../../clock.ts'
import { afterThisTurn } from '../../system-clock.ts'

/**
 * Milliseconds of the engine's own work in one turn of the event loop. A turn costs microseconds, and timers, signals and
 * sockets wait for no longer than this.
 */
const longestTurnMs = 5

/** Steps in one turn where the clock stands still while the engine works, as a virtual one does. */
const mostStepsPerTurn = 50_000

/** Quick steps between two readings of the clock. After a slow step the clock is read at once. */
const mostStepsPerReading = 16
const quickMs = 0.2

/**
 * Keeps the event loop free. Storages in this process answer without leaving the present turn, and schedules of users may
 * be slow: calls or steps that follow one another would hold up timers and signals. Each call asks {@link pass} first;
 * each step in counting slots reports itself by {@link stepped}.
 *
 * When the turn is used up, they wait for the next one. There the calls of the engine go on first. If there are none, one
 * call of a user goes on. Then those that count slots go on one after the other, until the turn is used up again.
 */
export class YieldBudget {
  readonly #clock: Pick<Clock, 'monotonic' | 'track' | 'isAuthoritative'>
  readonly #own: (() => void)[] = []
  readonly #asked: (() => void)[] = []
  readonly #counting: (() => void)[] = []
  /** When the engine began to work in the present turn; `null` if it has not. */
  #beganAt: number | null = null
  #readAt = 0
  #steps = 0
  #readAtStep = 0
  #stepsPerReading = 1
  #lastStepsMs = 0

  constructor(clock: Pick<Clock, 'monotonic' | 'track' | 'isAuthoritative'>) {
    this.#clock = clock
  }

  /**
   * Before a call. `null`: go on at once. Otherwise it resolves in the turn in which it may go on. `isAsked`: a user waits
   * for the call.
   */
  pass(isAsked: boolean): Promise<void> | null {
    // The time of a virtual clock stands while the engine works.
    if (this.#clock.isAuthoritative === true) return null
    const beganAt = this.#beganAt ?? this.#begin()
    const isLong = this.#clock.monotonic() - beganAt >= longestTurnMs
    if (!isLong && !(isAsked && this.#asked.length > 0)) return null
    return new Promise((resolve) => (isAsked ? this.#asked : this.#own).push(resolve))
  }

  /** Before the first step: the time of the step counts from here on. */
  begin(): void {
    if (this.#beganAt === null) this.#begin()
    else this.#readAfterNextStep(this.#clock.monotonic())
  }

  /** After a step. `null`: go on at once. Otherwise it resolves in the turn in which the next step may follow. */
  stepped(): Promise<void> | null {
    this.#steps++
    if (this.#steps < this.#readAtStep) return null
    const beganAt = this.#beganAt ?? this.#begin()
    const now = this.#clock.monotonic()
    this.#lastStepsMs = now - this.#readAt
    this.#readAt = now
    if (this.#isUsedUp(beganAt, now)) return this.#nextTurn()
    const isQuick = this.#lastStepsMs < quickMs
    this.#stepsPerReading = isQuick ? Math.min(2 * this.#stepsPerReading, mostStepsPerReading) : 1
    this.#readAtStep = this.#steps + this.#stepsPerReading
    return null
  }

  /** Milliseconds that the last steps before a wait took: for so long they held the event loop. */
  get lastStepsMs(): number {
    return this.#lastStepsMs
  }

  #nextTurn(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#counting.push(resolve))
    this.#clock.track?.(turn)
    return turn
  }

  #isUsedUp(beganAt: number, now: number): boolean {
    return now - beganAt >= longestTurnMs || this.#steps >= mostStepsPerTurn
  }

  #begin(): number {
    const now = this.#clock.monotonic()
    this.#beganAt = now
    this.#steps = 0
    this.#readAfterNextStep(now)
    afterThisTurn(this.#next)
    return now
  }

  /** Steps of another schedule may be slower. */
  #readAfterNextStep(now: number): void {
    this.#readAt = now
    this.#readAtStep = 0
    this.#stepsPerReading = 1
  }

  readonly #next = (): void => {
    this.#beganAt = null
    this.#steps = 0
    this.#readAtStep = 0
    if (this.#own.length + this.#asked.length + this.#counting.length === 0) return
    this.#begin()
    const own = this.#own.splice(0)
    for (const goOn of own) goOn()
    if (own.length === 0) this.#asked.shift()?.()
    this.#count()
  }

  /** Lets one go on, and once that one waits again, or does without, the next one, as long as the turn lasts. */
  readonly #count = (): void => {
    const goOn = this.#counting.shift()
    if (goOn === undefined) return
    goOn()
    if (this.#counting.length > 0) queueMicrotask(this.#whenQuiet)
  }

  /** A tick that is asked for in a microtask comes after all microtasks: after all that the present one does now. */
  readonly #whenQuiet = (): void => {
    process.nextTick(this.#countInTurn)
  }

  readonly #countInTurn = (): void => {
    // Those that wait go on in the next turn, which has been asked for.
    if (this.#beganAt === null) return
    const now = this.#clock.monotonic()
    if (this.#isUsedUp(this.#beganAt, now)) return
    this.#readAfterNextStep(now)
    this.#count()
  }
}
