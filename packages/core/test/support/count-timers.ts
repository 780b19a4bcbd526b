import type { Clock } from '../../src/clock.ts'

/** Counts the timers of a clock that are set from now on and have neither fired nor been canceled. */
export function countTimers(clock: Clock): { readonly set: number } {
  const open = new Set<object>()
  const { setTimer } = clock
  clock.setTimer = (delayMs, callback, options) => {
    const mark = {}
    open.add(mark)
    const timer = setTimer(
      delayMs,
      () => {
        open.delete(mark)
        callback()
      },
      options,
    )
    return {
      cancel() {
        open.delete(mark)
        timer.cancel()
      },
    }
  }
  return {
    get set() {
      return open.size
    },
  }
}
