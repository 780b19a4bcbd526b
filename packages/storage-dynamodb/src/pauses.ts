import { systemClock } from '@jobistemer/core'
import { random } from '@jobistemer/core/storage'

const firstPauseMs = 25
const longestPauseMs = 2000

/**
 * Pauses between the tries of one request. Each pause is twice as long as the previous one, with jitter, until the sum
 * reaches the limit.
 */
export class Pauses {
  readonly #limitMs: number
  #pausedMs = 0
  #tries = 0

  constructor({ retryTimeoutMs }: { readonly retryTimeoutMs: number }) {
    this.#limitMs = retryTimeoutMs
  }

  /** Waits for the next pause. Returns false without waiting if the sum of the pauses has reached the limit. */
  async next(): Promise<boolean> {
    if (this.#pausedMs >= this.#limitMs) return false
    const longest = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#tries++, 10))
    // Waits at least half of the full pause, to relieve the table. The jitter keeps nodes from retrying at the same moment.
    const pauseMs = Math.ceil(longest * (0.5 + random() / 2))
    this.#pausedMs += pauseMs
    await pause(pauseMs)
    return true
  }
}

export async function pause(delayMs: number): Promise<void> {
  await new Promise<void>((resolve) => systemClock.setTimer(delayMs, resolve))
}
