import type { Clock } from '../clock.ts'
import { JumpCheck } from '../engine/time/clock-readings.ts'
import { confirmMs, jumpMs } from '../engine/time/tuning.ts'

/**
 * The wall clock of a ticker. After a jump the time is in doubt until the new time has held for 15 s, because the
 * reading may be wrong.
 */
export class FollowedClock {
  readonly #clock: Clock
  readonly #check = new JumpCheck()
  /** Wall clock minus monotonic clock, by the last accepted reading. */
  #difference: number
  #now: number
  /** Monotonic instant of the last accepted reading. */
  #believedAt: number
  #isInDoubt = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#now = clock.now()
    this.#believedAt = clock.monotonic()
    this.#difference = this.#now - this.#believedAt
  }

  /** Wall time of the last reading, in epoch milliseconds; while in doubt, the unconfirmed one. */
  get now(): number {
    return this.#now
  }

  /** True after a jump until it is confirmed. Callers must not act on the time meanwhile. */
  get isInDoubt(): boolean {
    return this.#isInDoubt
  }

  /** The wall time at a monotonic instant, by the present reading. */
  at(monotonic: number): number {
    return Math.floor(this.#difference + monotonic)
  }

  /**
   * Compares the clocks. If this reading confirms a jump, returns the time of the previous reading by the new clock;
   * otherwise `null`.
   */
  look(): number | null {
    const readAt = this.#clock.monotonic()
    this.#now = this.#clock.now()
    const difference = this.#now - readAt
    const hasJumped = Math.abs(difference - this.#difference) > jumpMs
    this.#isInDoubt = hasJumped && !this.#isConfirmed(difference, readAt)
    if (this.#isInDoubt) return null
    const before = this.#believedAt
    this.#difference = difference
    this.#believedAt = readAt
    this.#check.clear()
    return hasJumped ? this.at(before) : null
  }

  #isConfirmed(difference: number, readAt: number): boolean {
    if (this.#clock.isAuthoritative === true) return true
    const reading = { origin: difference, uncertaintyMs: 0, sentAt: readAt, receivedAt: readAt, difference }
    return this.#check.holds(reading, confirmMs)
  }
}
