import type { Clock } from '@jobistemer/core'
import type { VirtualClock } from '@jobistemer/core/testing'

/** A clock with a settable offset from the true clock. */
export class WrongClock implements Clock {
  readonly #clock: VirtualClock
  offsetMs: number

  constructor(clock: VirtualClock, offsetMs: number) {
    this.#clock = clock
    this.offsetMs = offsetMs
  }

  now = (): number => this.#clock.now() + this.offsetMs
  monotonic = (): number => this.#clock.monotonic()
  // A node uses random numbers for the times of its clock readings. The virtual clock returns the same numbers in each test
  // run. With real random numbers, a node would sometimes read its clock earlier than a test expects.
  random = (): number => (this.#clock.random as () => number)()
  track = (promise: Promise<unknown>): void => this.#clock.track?.(promise)
  setTimer: Clock['setTimer'] = (delayMs, callback) => this.#clock.setTimer(delayMs, callback)
}
