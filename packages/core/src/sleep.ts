import type { Clock, Timer } from './clock.ts'

/** Resolves after this time by a clock. If the signal fires first, rejects with its reason. */
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
      // Clocks cut timers to 1 min.
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
