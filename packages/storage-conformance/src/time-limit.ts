import { type Clock, systemClock } from '@jobistemer/core'

/**
 * Awaits `work`. Rejects with an error that names the work if the work exceeds the limit. Not every test runner has a
 * timeout, and none names the hanging call. The work itself continues, because a caller cannot stop it.
 */
export async function withinLimit<T>(
  name: string,
  limitMs: number,
  work: () => Promise<T>,
  clock: Clock = systemClock,
): Promise<T> {
  let stopWatching = (): void => {}
  const overdue = new Promise<never>((_, reject) => {
    const deadline = clock.monotonic() + limitMs
    // Sets the timer again if it fires early, because a clock may cap the delay of a timer.
    const watch = (): void => {
      const leftMs = deadline - clock.monotonic()
      if (leftMs <= 0) {
        reject(new Error(`"${name}" did not end within ${limitMs / 1000} seconds: a call of the storage may hang.`))
        return
      }
      const timer = clock.setTimer(leftMs, watch)
      stopWatching = () => timer.cancel()
    }
    watch()
  })
  try {
    return await Promise.race([work(), overdue])
  } finally {
    stopWatching()
  }
}
