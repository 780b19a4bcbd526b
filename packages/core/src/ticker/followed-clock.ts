import type { Clock } from '../clock.ts'
import { JumpCheck } from '../engine/time/jump-check.ts'
import { confirmMs, jumpMs } from '../engine/time/tuning.ts'

/**
 * A wall clock, as a ticker goes by it. One that jumps is in doubt until it has stayed where it is for a while: it may be
 * right again a moment later.
 */
export class FollowedClock {
  readonly #clock: Clock
  readonly #check = new JumpCheck()
  /** Wall minus monotonic clock, as far as that is believed. */
  #difference: number
  #now: number
  /** Monotonic instant of the last look that was believed. */
  #believedAt: number
  #isInDoubt = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#now = clock.now()
    this.#believedAt = clock.monotonic()
    this.#difference = this.#now - this.#believedAt
  }

  /** Wall time at the last look, in epoch milliseconds. While in doubt it is the one that is not believed yet. */
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
   * Compares the clocks. When the wall clock has jumped, and is believed from here on: what the time was, by that, at the
   * last look before. `null` otherwise.
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
