import { systemClock } from '@jobistemer/core'

const longestTimerMs = 60_000

/** Resolves after `durationMs`. With `unref` the timer does not keep the process alive. */
export async function sleep(durationMs: number, options: { readonly unref?: boolean } = {}): Promise<void> {
  for (let left = durationMs; left > 0; left -= longestTimerMs) {
    await new Promise<void>((resolve) => systemClock.setTimer(Math.min(left, longestTimerMs), resolve, options))
  }
}
