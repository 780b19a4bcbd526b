import type { Clock, Timer } from './clock.ts'

/** Resolves after `milliseconds` by the clock. If the signal fires first, rejects with the signal's reason. */
export function sleepOn(
  clock: Pick<Clock, 'monotonic' | 'setTimer'>,
  milliseconds: number,
  signal?: AbortSignal,
  options: { readonly unref?: boolean } = {},
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
      // A clock may fire a timer after 1 min, even if the timer was set for longer. Then set a further timer for the rest.
      if (clock.monotonic() < end) {
        timer = clock.setTimer(end - clock.monotonic(), look, options)
        return
      }
      signal?.removeEventListener('abort', abort)
      resolve()
    }
    signal?.addEventListener('abort', abort, { once: true })
    look()
  })
}

/** Sleeps as {@link sleepOn}, for `context.sleep`. The timer of the sleep does not keep the process alive. */
export function sleepInHandler(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return clock.wait?.(milliseconds, signal) ?? sleepOn(clock, milliseconds, signal, { unref: true })
}
