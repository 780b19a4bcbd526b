import { systemClock } from '@jobistemer/core'

/** One moment on both clocks of the machine, in milliseconds. */
export interface HostTime {
  /** Monotonic time in ms, the same for all processes of the machine. This time orders the events of all processes. */
  readonly mono: number
  /** Wall time in epoch milliseconds, as in the ledger. */
  readonly wall: number
}

/** Returns the present moment. The monotonic time has a resolution of 1 µs. */
export function hostTime(): HostTime {
  // biome-ignore lint/nursery/noJsRestrictedProperties: core's clock differs between processes, this time must not.
  const nanoseconds = process.hrtime.bigint()
  return { mono: Number(nanoseconds / 1000n) / 1000, wall: systemClock.now() }
}
