import { systemClock } from '@jobistemer/core'

const longestTimerMs = 60_000

/** Resolves after so many milliseconds. With `unref` nothing is kept alive by it. */
export async function sleep(durationMs: number, options: { readonly unref?: boolean } = {}): Promise<void> {
  for (let left = durationMs; left > 0; left -= longestTimerMs) {
    await new Promise<void>((resolve) => systemClock.setTimer(Math.min(left, longestTimerMs), resolve, options))
  }
}
