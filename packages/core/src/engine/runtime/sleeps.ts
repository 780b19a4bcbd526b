import type { Clock, Timer } from '../../clock.ts'
import { sleepOn } from '../../sleep.ts'

interface SleepTimer {
  readonly timer: Timer
  readonly look: () => void
}

/**
 * What handlers wait for by `context.sleep`. A handler may end without waiting for it, or be left behind: once the engine
 * has ended, none of it keeps the process alive.
 */
export class Sleeps {
  readonly #clock: Clock
  readonly #timers = new Set<SleepTimer>()
  #isOver = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when so much time has passed; rejects with the signal's reason when that fires first. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    return this.#clock.wait?.(milliseconds, signal) ?? sleepOn(this, milliseconds, signal)
  }

  /** From here on they go on only as long as something else keeps the process alive. */
  end(): void {
    this.#isOver = true
    for (const { timer, look } of [...this.#timers]) {
      timer.cancel()
      look()
    }
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const look = (): void => {
      this.#timers.delete(entry)
      callback()
    }
    const entry = { timer: this.#clock.setTimer(delayMs, look, { unref: this.#isOver }), look }
    this.#timers.add(entry)
    return {
      cancel: () => {
        this.#timers.delete(entry)
        entry.timer.cancel()
      },
    }
  }
}
