import type { Clock, Timer } from '@jobistemer/core'
import type { VirtualClock } from '@jobistemer/core/testing'
import type { SeededRandom } from '@jobistemer/test-kit'

/**
 * Maximum delay of one timer, in ms. Like a real clock, this clock fires a timer with a longer delay after this time. The
 * engine then reads its wall clock, and sets another timer if the timer fired early.
 */
const longestDelayMs = 60_000

/**
 * The clock of one node incarnation. Faults can set the wall time of this clock, or make the wall time wrong for some
 * seconds. Timers of a frozen or dead process do not fire.
 */
export class NodeClock implements Clock {
  offsetMs: number
  /** Temporary error of the wall clock in ms, added to its offset. */
  jumpMs: number = 0
  /** Whether the engine adopts the time of each clock reading at once. Only the sabotage `every-reading` sets this. */
  readonly isAuthoritative: boolean
  /** Error of the next clock reading, in ms. */
  #misreadByMs = 0
  readonly #common: VirtualClock
  readonly #random: SeededRandom
  readonly #timers = new Set<Timer>()
  readonly #handlerTimers = new Set<Timer>()
  #frozen = false
  #dead = false
  /** Callbacks of a frozen process, oldest first. The callbacks run after the thaw. */
  #held: (() => void)[] = []

  constructor(
    common: VirtualClock,
    options: { readonly offsetMs: number; readonly random: SeededRandom; readonly isAuthoritative?: boolean },
  ) {
    this.isAuthoritative = options.isAuthoritative === true
    this.#common = common
    this.#random = options.random
    this.offsetMs = options.offsetMs
  }

  now(): number {
    const misreadByMs = this.#misreadByMs
    this.#misreadByMs = 0
    return this.setTime() + this.jumpMs + misreadByMs
  }

  /** Returns the wall time without temporary jumps. Simulated users use this time, because people notice a jump. */
  setTime(): number {
    return this.#common.now() + this.offsetMs
  }

  /** Makes the next clock reading wrong by `byMs`. */
  misread(byMs: number): void {
    this.#misreadByMs = byMs
  }

  monotonic(): number {
    return this.#common.monotonic()
  }

  random(): number {
    return this.#random.next()
  }

  /**
   * Reports a storage call to the shared clock as activity. While a reported promise is pending, the shared clock stands still.
   * But a delayed answer arrives only after the shared clock has advanced, so the clock would wait forever. So this method
   * reports a resolved promise instead of the call's promise.
   */
  track(): void {
    this.#common.track?.(settled)
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.#setTimer(delayMs, callback, this.#timers)
  }

  #setTimer(delayMs: number, callback: () => void, timers: Set<Timer>): Timer {
    let cancelled = false
    const ring = (): void => {
      if (cancelled || this.#dead) return
      timers.delete(timer)
      callback()
    }
    const inner = this.#common.setTimer(Math.min(delayMs, longestDelayMs), () => this.whenAwake(ring))
    const timer: Timer = {
      cancel: () => {
        cancelled = true
        timers.delete(timer)
        inner.cancel()
      },
    }
    timers.add(timer)
    return timer
  }

  /** Number of the scheduler's active timers. A stopped scheduler has none. */
  get timerCount(): number {
    return this.#timers.size
  }

  get frozen(): boolean {
    return this.#frozen
  }

  get dead(): boolean {
    return this.#dead
  }

  /**
   * Calls `callback` at once. If the process is frozen, calls `callback` after the thaw. If the process is dead, never
   * calls `callback`.
   */
  whenAwake(callback: () => void): void {
    if (this.#dead) return
    if (this.#frozen) this.#held.push(callback)
    else callback()
  }

  freeze(): void {
    this.#frozen = true
  }

  /** Ends the freeze, and runs all held callbacks at once. */
  thaw(): void {
    if (!this.#frozen || this.#dead) return
    this.#frozen = false
    const held = this.#held
    this.#held = []
    // The timers and answers of a thawed process run at one instant, in any order.
    for (const callback of this.#random.chance(0.5) ? held : this.#random.shuffled(held)) this.whenAwake(callback)
  }

  die(): void {
    this.#dead = true
    this.#held = []
    for (const timer of [...this.#timers, ...this.#handlerTimers]) timer.cancel()
  }

  /** Resolves after `milliseconds` on the process's clock, or when the signal fires. Handlers use this method. */
  sleep(milliseconds: number, signal: AbortSignal | null): Promise<'slept' | 'aborted'> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve('aborted')
      const end = this.monotonic() + milliseconds
      let timer: Timer | undefined
      const onAbort = (): void => {
        timer?.cancel()
        resolve('aborted')
      }
      const look = (): void => {
        if (this.monotonic() < end) {
          timer = this.#setTimer(end - this.monotonic(), look, this.#handlerTimers)
          return
        }
        signal?.removeEventListener('abort', onAbort)
        resolve('slept')
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      look()
    })
  }
}

const settled = Promise.resolve()
