import type { Clock, Timer } from '@jobistemer/core'
import type { VirtualClock } from '@jobistemer/core/testing'
import type { SeededRandom } from '@jobistemer/test-kit'

/** As the machine's clock: a wall clock that jumps is read again within this many milliseconds. */
const longestDelayMs = 60_000

/**
 * The clock of one life of a node, over the time that all share: its wall time is off, can be set, and can be wrong for a
 * while or for a single reading. When the process is frozen or dead none of its timers rings.
 */
export class NodeClock implements Clock {
  offsetMs: number
  /** By how much it is wrong at present, beyond what it is set to. */
  jumpMs: number = 0
  /** Whether whoever asks it has to believe it: for the sabotage that follows every reading at once. */
  readonly isAuthoritative: boolean
  /** By how much the next reading is wrong. */
  #misreadByMs = 0
  readonly #common: VirtualClock
  readonly #random: SeededRandom
  readonly #timers = new Set<Timer>()
  readonly #handlerTimers = new Set<Timer>()
  #frozen = false
  #dead = false
  /** What waits for the thaw, in the order in which it came. */
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

  /** What it is set to: for users, who look twice at a clock that jumps. */
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

  /** Answers may take virtual time, so the common clock must not wait for them; it only learns that something happens. */
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

  /** Timers of the scheduler that are set and have not rung: one that is down has none. */
  get timerCount(): number {
    return this.#timers.size
  }

  get frozen(): boolean {
    return this.#frozen
  }

  get dead(): boolean {
    return this.#dead
  }

  /** Calls back now, or when the process runs again; never when it is dead. */
  whenAwake(callback: () => void): void {
    if (this.#dead) return
    if (this.#frozen) this.#held.push(callback)
    else callback()
  }

  freeze(): void {
    this.#frozen = true
  }

  /** Everything that came meanwhile happens at once. */
  thaw(): void {
    if (!this.#frozen || this.#dead) return
    this.#frozen = false
    const held = this.#held
    this.#held = []
    // A process that wakes finds timers and answers at once, and nobody says in which order it looks at them.
    for (const callback of this.#random.chance(0.5) ? held : this.#random.shuffled(held)) this.whenAwake(callback)
  }

  die(): void {
    this.#dead = true
    this.#held = []
    for (const timer of [...this.#timers, ...this.#handlerTimers]) timer.cancel()
  }

  /** For handlers: resolves when so much time has passed, as far as this process can tell. */
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
