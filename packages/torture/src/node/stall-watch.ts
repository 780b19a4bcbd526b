import { systemClock } from '@jobistemer/core'
import { hostTime } from '../record/host-time.ts'
import type { Stall } from '../record/witness.ts'

const beatMs = 100
const thresholdMs = 1000

/**
 * Detects stalls: periods in which the process did not run, because it was stopped or had no processor. After a stall,
 * the process may first carry out an action on which it decided before the stall.
 */
export class StallWatch {
  readonly #onStall: (stall: Stall) => void
  #lastBeat = hostTime().mono
  #latest: Stall | null = null

  constructor(onStall: (stall: Stall) => void) {
    this.#onStall = onStall
    this.#next()
  }

  /** Returns the latest stall, even if no timer has detected the stall yet. */
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
