import type { Clock, Timer } from '@jobistemer/core'
import type { Storage, WakeUp } from '@jobistemer/core/storage'
import { InterceptedStorage } from './intercepted-storage.ts'

/** A timer on the monotonic clock of a simulated process. */
interface ProcessTimer {
  readonly dueAt: number
  readonly callback: () => void
  readonly options: { readonly unref?: boolean } | undefined
  /** The timer on the clock of the simulated cluster; `null` after a cancellation. */
  timer: Timer | null
}

/**
 * Simulates the process of one scheduler. The process has its own clock and its own storage connection.
 *
 * After the death of the process, its timers do not fire, and its calls do not reach the storage. No answer to a pending call
 * arrives. A frozen process has the same limits. When a frozen process thaws, its timers fire and its answers arrive.
 */
export class MortalProcess {
  readonly clock: Clock
  readonly storage: Storage
  readonly #target: Clock
  readonly #died: Promise<void>
  readonly #missedTimers: ProcessTimer[] = []
  readonly #tracked = new Set<Promise<unknown>>()
  #alive = true
  #markDead: () => void = () => undefined
  #isFrozen = false
  /** A promise that is pending while the process is frozen. */
  #awake: Promise<void> = Promise.resolve()
  #wake: () => void = () => undefined
  #froze: Promise<void> = new Promise(() => undefined)
  #markFrozen: () => void = () => undefined
  /** The total time in ms for which the monotonic clock of the process has stood still. */
  #stoodStillMs = 0
  /** The reading of this monotonic clock at the last freeze. */
  #frozenAt = 0

  constructor(clock: Clock, storage: Storage) {
    this.#target = clock
    this.#died = new Promise((resolve) => {
      this.#markDead = resolve
    })
    this.#expectFrost()
    this.clock = {
      now: () => clock.now(),
      monotonic: () => (this.#isFrozen ? this.#frozenAt : clock.monotonic() - this.#stoodStillMs),
      setTimer: (delayMs, callback, options) => this.#setTimer(this.clock.monotonic() + delayMs, callback, options),
      track: (promise) => this.#track(promise),
      // Without this line, the jitter of the nodes and their incarnations differ from one test run to the next.
      ...(clock.random !== undefined && { random: clock.random }),
    }
    const intercepted = new InterceptedStorage(storage)
    intercepted.intercept = async (call) => {
      await this.#awake
      const answer = this.#alive ? await call.proceed() : undefined
      await this.#awake
      return this.#alive ? answer : new Promise(() => undefined)
    }
    const { subscribe } = intercepted.storage
    this.storage =
      subscribe === undefined
        ? intercepted.storage
        : { ...intercepted.storage, subscribe: (listener) => subscribe((wakeUp) => void this.#tell(listener, wakeUp)) }
  }

  get alive(): boolean {
    return this.#alive
  }

  die(): void {
    this.#alive = false
    this.#markDead()
  }

  /**
   * Resolves when the process is not frozen. Handlers that run in this simulated process await this promise before they
   * continue.
   */
  awake(): Promise<void> {
    return this.#awake
  }

  /** Stops the process, as SIGSTOP or a suspended machine does. */
  freeze(): void {
    this.#frozenAt = this.clock.monotonic()
    this.#isFrozen = true
    this.#awake = new Promise((resolve) => {
      this.#wake = resolve
    })
    this.#markFrozen()
  }

  /**
   * Resumes the process. `ran on`: the monotonic clock of the process advanced during the freeze, as between SIGSTOP and
   * SIGCONT. `stood still`: this clock did not advance, as on a suspended machine.
   */
  thaw(monotonic: 'ran on' | 'stood still'): void {
    if (monotonic === 'stood still') this.#stoodStillMs = this.#target.monotonic() - this.#frozenAt
    this.#isFrozen = false
    this.#expectFrost()
    this.#wake()
    for (const promise of this.#tracked) this.#track(promise)
    for (const timer of this.#missedTimers.splice(0)) if (timer.timer !== null) this.#wait(timer)
  }

  #expectFrost(): void {
    this.#froze = new Promise((resolve) => {
      this.#markFrozen = resolve
    })
  }

  #setTimer(dueAt: number, callback: () => void, options: ProcessTimer['options']): Timer {
    const timer: ProcessTimer = { dueAt, callback, options, timer: null }
    this.#wait(timer)
    return {
      cancel: () => {
        timer.timer?.cancel()
        timer.timer = null
      },
    }
  }

  #wait(timer: ProcessTimer): void {
    const ring = () => {
      if (this.#isFrozen) this.#missedTimers.push(timer)
      else if (this.#alive) timer.callback()
    }
    timer.timer = this.#target.setTimer(timer.dueAt - this.clock.monotonic(), ring, timer.options)
  }

  /** Makes the virtual clock wait for a storage call, unless the process dies or freezes. */
  #track(promise: Promise<unknown>): void {
    this.#tracked.add(promise)
    const done = promise.then(
      () => this.#tracked.delete(promise),
      () => this.#tracked.delete(promise),
    )
    this.#target.track?.(Promise.race([done, this.#died, this.#froze]))
  }

  async #tell(listener: (wakeUp: WakeUp) => void, wakeUp: WakeUp): Promise<void> {
    if (this.#isFrozen) await this.#awake
    if (this.#alive) listener(wakeUp)
  }
}
