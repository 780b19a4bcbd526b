import { systemClock } from '@jobistemer/core'

const longestTimerMs = 60_000

/** Resolves after so many milliseconds. */
export async function sleep(durationMs: number): Promise<void> {
  for (let left = durationMs; left > 0; left -= longestTimerMs) {
    await new Promise<void>((resolve) => systemClock.setTimer(Math.min(left, longestTimerMs), resolve))
  }
}
