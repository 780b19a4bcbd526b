import { systemClock } from '@jobistemer/core'
import { hostTime } from '../record/host-time.ts'
import type { Stall } from '../record/witness.ts'

const beatMs = 100
const thresholdMs = 1000

/**
 * Notices when the process did not get to run: because it was stopped, or because the machine had no time for it. What
 * such a process does next, it decided before.
 */
export class StallWatch {
  readonly #onStall: (stall: Stall) => void
  #lastBeat = hostTime().mono
  #latest: Stall | null = null

  constructor(onStall: (stall: Stall) => void) {
    this.#onStall = onStall
    this.#next()
  }

  /** The latest stall, also one that no timer has noticed yet. */
  latest(): Stall | null {
    this.#look()
    return this.#latest
  }

  #next(): void {
    systemClock.setTimer(
      beatMs,
      () => {
        this.#look()
        this.#next()
      },
      { unref: true },
    )
  }

  #look(): void {
    const { mono } = hostTime()
    if (mono - this.#lastBeat > thresholdMs) {
      this.#latest = { from: this.#lastBeat, to: mono }
      this.#onStall(this.#latest)
    }
    this.#lastBeat = mono
  }
}
