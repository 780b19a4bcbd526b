import type { Clock, Timer } from '@jobistemer/core'
import type { VirtualClock } from '@jobistemer/core/testing'
import type { SeededRandom } from '@jobistemer/test-kit'

/** Like the machine's clock: the engine reads a wall clock that jumps again within this many ms. */
const longestDelayMs = 60_000

/**
 * The clock of one life of a node, over the virtual time that all nodes share. Its wall time has an offset, can be set, and can
 * be wrong for some seconds or for a single reading. While the process is frozen or dead, none of its timers fires.
 */
export class NodeClock implements Clock {
  offsetMs: number
  /** Current error of the clock, on top of its offset. */
  jumpMs: number = 0
  /** Whether the engine believes each reading at once: for the sabotage that follows every reading. */
  readonly isAuthoritative: boolean
  /** Error of the next reading. */
  #misreadByMs = 0
  readonly #common: VirtualClock
  readonly #random: SeededRandom
  readonly #timers = new Set<Timer>()
  readonly #handlerTimers = new Set<Timer>()
  #frozen = false
  #dead = false
  /** Callbacks that run after the thaw, in the order of their arrival. */
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

  /** The set time without jumps. Simulated users use it, because people notice a jump. */
  setTime(): number {
    return this.#common.now() + this.offsetMs
  }

  /** Makes the next reading wrong. */
  misread(byMs: number): void {
    this.#misreadByMs = byMs
  }

  monotonic(): number {
    return this.#common.monotonic()
  }

  random(): number {
    return this.#random.next()
  }

  /** Answers may take virtual time, so the common clock must not wait for them. It only learns of activity. */
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

  /** Number of timers of the scheduler that have not fired. A stopped scheduler has none. */
  get timerCount(): number {
    return this.#timers.size
  }

  get frozen(): boolean {
    return this.#frozen
  }

  get dead(): boolean {
    return this.#dead
  }

  /** Calls back now, or after the thaw if the process is frozen. Never calls back if it is dead. */
  whenAwake(callback: () => void): void {
    if (this.#dead) return
    if (this.#frozen) this.#held.push(callback)
    else callback()
  }

  freeze(): void {
    this.#frozen = true
  }

  /** Runs all held callbacks at once. */
  thaw(): void {
    if (!this.#frozen || this.#dead) return
    this.#frozen = false
    const held = this.#held
    this.#held = []
    // A thawed process finds timers and answers at the same time. Their order is undefined.
    for (const callback of this.#random.chance(0.5) ? held : this.#random.shuffled(held)) this.whenAwake(callback)
  }

  die(): void {
    this.#dead = true
    this.#held = []
    for (const timer of [...this.#timers, ...this.#handlerTimers]) timer.cancel()
  }

  /** For handlers: resolves after `milliseconds`, as far as this process can measure. */
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
