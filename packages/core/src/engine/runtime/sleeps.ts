import type { Clock, Timer } from '../../clock.ts'
import { sleepOn } from '../../sleep.ts'

interface SleepTimer {
  readonly timer: Timer
  readonly look: () => void
}

/**
 * The timers of `context.sleep`. A handler may end without awaiting a sleep, or the engine may abandon it. After the engine
 * has ended, these timers do not keep the process alive.
 */
export class Sleeps {
  readonly #clock: Clock
  readonly #timers = new Set<SleepTimer>()
  #isOver = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves after `milliseconds`. Rejects with the signal's reason if the signal fires first. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    return this.#clock.wait?.(milliseconds, signal) ?? sleepOn(this, milliseconds, signal)
  }

  /**
   * The engine has ended: from now on, sleeps do not keep the process alive. They continue: each callback runs early,
   * compares the clock, and sets a further timer, which is unreferenced.
   */
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
