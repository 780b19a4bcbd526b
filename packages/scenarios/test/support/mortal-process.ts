import type { Clock } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { InterceptedStorage } from './intercepted-storage.ts'

/**
 * The clock and the connection of one scheduler, as its process has them: when it dies, none of its timers rings any
 * more, no call of it reaches the storage, and no answer that was on its way arrives.
 */
export class MortalProcess {
  readonly clock: Clock
  readonly storage: Storage
  readonly #died: Promise<void>
  #alive = true
  #markDead: () => void = () => undefined

  constructor(clock: Clock, storage: Storage) {
    this.#died = new Promise((resolve) => {
      this.#markDead = resolve
    })
    const isAlive = () => this.#alive
    this.clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      setTimer: (delayMs, callback, options) =>
        clock.setTimer(
          delayMs,
          () => {
            if (isAlive()) callback()
          },
          options,
        ),
      track: (promise) => clock.track?.(Promise.race([promise, this.#died])),
    }
    const intercepted = new InterceptedStorage(storage)
    intercepted.intercept = async (call) => {
      const answer = isAlive() ? await call.proceed() : undefined
      return isAlive() ? answer : new Promise(() => undefined)
    }
    this.storage = intercepted.storage
  }

  get alive(): boolean {
    return this.#alive
  }

  die(): void {
    this.#alive = false
    this.#markDead()
  }
}
