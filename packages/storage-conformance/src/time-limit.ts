import { type Clock, systemClock } from '@jobistemer/core'

/**
 * Rejects with a message that names the work if the work takes longer than the limit. Not every test runner has a time
 * limit, and none names the work that hangs. The work itself continues, because a caller cannot stop it.
 */
export async function withinLimit<T>(
  what: string,
  limitMs: number,
  work: () => Promise<T>,
  clock: Clock = systemClock,
): Promise<T> {
  let stopWatching = (): void => {}
  const overdue = new Promise<never>((_, reject) => {
    const deadline = clock.monotonic() + limitMs
    // A clock may cap the delay of its timers, so that a long wait is made of several.
    const watch = (): void => {
      const leftMs = deadline - clock.monotonic()
      if (leftMs <= 0) {
        reject(new Error(`"${what}" did not end within ${limitMs / 1000} seconds: a call of the storage may hang.`))
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
