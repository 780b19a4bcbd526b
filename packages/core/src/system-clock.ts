import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from './clock.ts'
import { upkeepMs } from './tuning.ts'

// Only this module reads the machine's clocks, sets timers and draws random numbers.

/** The machine's own clock and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, callback, options) {
    const handle = setTimeout(callback, Math.min(Math.max(delayMs, 0), upkeepMs))
    if (options?.unref) handle.unref()
    return new MachineTimer(handle)
  },
}

class MachineTimer implements Timer {
  readonly #handle: ReturnType<typeof setTimeout>

  constructor(handle: ReturnType<typeof setTimeout>) {
    this.#handle = handle
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }
}

/** Returns milliseconds of the machine's monotonic clock, which is the same in all threads and processes. */
export function machineMonotonic(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

/**
 * Calls `callback` after the present turn of the event loop. So a caller can send all items of one turn together, as a batch.
 */
export function afterThisTurn(callback: () => void): void {
  setImmediate(callback)
}

/**
 * Returns how many events from outside the process the event loop has handled so far, such as the end of a file read. Timers
 * do not count. Always 0 on Node 21, and on Node 22 before 22.8, because these versions do not report the number.
 */
export function eventsHeard(): number {
  const { uvMetricsInfo } = performance.nodeTiming as { readonly uvMetricsInfo?: { readonly events: number } }
  return uvMetricsInfo?.events ?? 0
}

/** Returns a random number in `[0, 1)`, for jitter only: the coordination of nodes never uses random numbers. */
export function random(): number {
  return Math.random()
}
