import { type Clock, systemClock } from '@jobistemer/core'

/** Awaits `work`. After the limit, rejects with an error that names the hanging call. `work` itself continues. */
export async function withinLimit<T>(
  name: string,
  limitMs: number,
  work: () => Promise<T>,
  clock: Clock = systemClock,
): Promise<T> {
  let stopWatching = (): void => {}
  const overdue = new Promise<never>((_, reject) => {
    const deadline = clock.monotonic() + limitMs
    // A clock may shorten the delay of a timer. If the timer fires before the limit, `watch` sets another timer.
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
