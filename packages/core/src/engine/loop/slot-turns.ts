import type { Clock } from '../../clock.ts'
import { afterThisTurn } from '../../system-clock.ts'

/**
 * So long slots are counted before all else has its turn. A turn costs microseconds, and what runs between two of them
 * waits for no longer.
 */
const longestTurnMs = 5

/** Where the clock stands still while slots are counted, as a virtual one does. */
const mostStepsPerTurn = 50_000

/** The clock is looked at once in so many steps, as long as these are quick, and after each one otherwise. */
const mostStepsPerLook = 16
const quickMs = 0.2

/**
 * Keeps the event loop free while slots are counted, by a schedule of which nobody knows how long it takes. All who count
 * share the turns: in each, those that wait go on one after the other, the one that has waited longest first, until the
 * turn is used up. The others go on in the next one, before those that came later.
 */
export class SlotTurns {
  readonly #clock: Pick<Clock, 'monotonic' | 'track'>
  readonly #waiting: (() => void)[] = []
  /** When the present turn was first seen; `null` when none has been seen yet. */
  #beganAt: number | null = null
  #lookedAt = 0
  #steps = 0
  #lookAtStep = 0
  #stepsPerLook = 1
  #lastStepsMs = 0

  constructor(clock: Pick<Clock, 'monotonic' | 'track'>) {
    this.#clock = clock
  }

  /** Slots are asked for from here on: the time of the next step is that which has passed since. */
  begin(): void {
    if (this.#beganAt === null) this.#begin()
    else this.#lookAfterNextStep(this.#clock.monotonic())
  }

  /** A slot was asked for. `null`: go on at once. Otherwise it resolves in the turn in which it may go on. */
  stepped(): Promise<void> | null {
    this.#steps++
    if (this.#steps < this.#lookAtStep) return null
    const beganAt = this.#beganAt ?? this.#begin()
    const now = this.#clock.monotonic()
    this.#lastStepsMs = now - this.#lookedAt
    this.#lookedAt = now
    if (this.#isUsedUp(beganAt, now)) return this.#nextTurn()
    const isQuick = this.#lastStepsMs < quickMs
    this.#stepsPerLook = isQuick ? Math.min(2 * this.#stepsPerLook, mostStepsPerLook) : 1
    this.#lookAtStep = this.#steps + this.#stepsPerLook
    return null
  }

  /** How long the steps took, in milliseconds, after which somebody had to wait last: so long they held the event loop. */
  get lastStepsMs(): number {
    return this.#lastStepsMs
  }

  #nextTurn(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#waiting.push(resolve))
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
    this.#lookAfterNextStep(now)
    afterThisTurn(this.#next)
    return now
  }

  /** Steps of another schedule may be slower. */
  #lookAfterNextStep(now: number): void {
    this.#lookedAt = now
    this.#lookAtStep = 0
    this.#stepsPerLook = 1
  }

  readonly #next = (): void => {
    this.#beganAt = null
    this.#steps = 0
    this.#lookAtStep = 0
    if (this.#waiting.length === 0) return
    this.#begin()
    this.#goOn()
  }

  /** Lets one go on, and once that one waits again, or does without, the next one, as long as the turn lasts. */
  readonly #goOn = (): void => {
    const goOn = this.#waiting.shift()
    if (goOn === undefined) return
    goOn()
    if (this.#waiting.length > 0) queueMicrotask(this.#whenQuiet)
  }

  /** What is asked for from within a microtask comes after all of them: all that the one does that goes on now. */
  readonly #whenQuiet = (): void => {
    process.nextTick(this.#goOnInTurn)
  }

  readonly #goOnInTurn = (): void => {
    // Those who wait go on in the next turn, which has been asked for.
    if (this.#beganAt === null) return
    const now = this.#clock.monotonic()
    if (this.#isUsedUp(this.#beganAt, now)) return
    this.#lookAfterNextStep(now)
    this.#goOn()
  }
}
