import type { Clock, Timer } from './clock.ts'

/** Resolves when so much time has passed by a clock; rejects with the signal's reason when that fires first. */
export function sleepOn(
  clock: Pick<Clock, 'monotonic' | 'setTimer'>,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    let timer: Timer | undefined
    const end = clock.monotonic() + milliseconds
    const abort = () => {
      timer?.cancel()
      reject(signal?.reason)
    }
    const look = () => {
      // Timers are cut to a minute.
      if (clock.monotonic() < end) {
        timer = clock.setTimer(end - clock.monotonic(), look)
        return
      }
      signal?.removeEventListener('abort', abort)
      resolve()
    }
    signal?.addEventListener('abort', abort, { once: true })
    look()
  })
}
