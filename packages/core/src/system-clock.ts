import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from './clock.ts'
import { longestTimerMs } from './tuning.ts'

// The one place where the product reads the machine's clocks, sets timers and asks for chance.

/** The machine's own clock and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, callback, options) {
    const handle = setTimeout(callback, Math.min(Math.max(delayMs, 0), longestTimerMs))
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

/** Milliseconds of the machine's monotonic clock: the same ones in all threads and processes. */
export function machineMonotonic(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

/** Calls back once the present turn of the event loop has done its work: lets what belongs together gather. */
export function afterThisTurn(callback: () => void): void {
  setImmediate(callback)
}

/**
 * How often the event loop has heard of something from outside, such as a file that was read; timers do not count.
 * Always 0 in Node 21 and Node 22 before 22.8, which do not tell.
 */
export function eventsHeard(): number {
  const { uvMetricsInfo } = performance.nodeTiming as { readonly uvMetricsInfo?: { readonly events: number } }
  return uvMetricsInfo?.events ?? 0
}

/**
 * Milliseconds of CPU time that this process has used so far. While the process or its machine is stopped, it uses none.
 */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** A number in `[0, 1)`. For jitter only: nothing that nodes coordinate on is ever random. */
export function random(): number {
  return Math.random()
}
