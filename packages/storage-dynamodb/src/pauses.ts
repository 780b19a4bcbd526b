import { systemClock } from '@jobistemer/core'
import { random } from '@jobistemer/core/storage'

const firstPauseMs = 25
const longestPauseMs = 2000

/** Pauses between tries of one request: twice as long each time, with jitter, until their sum reaches the limit. */
export class Pauses {
  readonly #limitMs: number
  #pausedMs = 0
  #tries = 0

  constructor({ retryTimeoutMs }: { readonly retryTimeoutMs: number }) {
    this.#limitMs = retryTimeoutMs
  }

  /** Waits; false when the limit is reached. */
  async next(): Promise<boolean> {
    if (this.#pausedMs >= this.#limitMs) return false
    const longest = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#tries++, 10))
    // Half of it at least, so that the table gets room, and jitter, so that nodes do not come back all at once.
    const pauseMs = Math.ceil(longest * (0.5 + random() / 2))
    this.#pausedMs += pauseMs
    await pause(pauseMs)
    return true
  }
}

export async function pause(delayMs: number): Promise<void> {
  await new Promise<void>((resolve) => systemClock.setTimer(delayMs, resolve))
}
