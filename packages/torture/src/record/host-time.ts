import { systemClock } from '@jobistemer/core'

/** One moment on both clocks of the machine, in milliseconds. */
export interface HostTime {
  /** Monotonic, and the same for all processes of the machine. It orders their events. */
  readonly mono: number
  /** Wall time, as in the ledger. */
  readonly wall: number
}

/** The present moment. The monotonic time has microseconds. */
export function hostTime(): HostTime {
  // biome-ignore lint/nursery/noJsRestrictedProperties: core's clock counts from the start of its own process.
  const nanoseconds = process.hrtime.bigint()
  return { mono: Number(nanoseconds / 1000n) / 1000, wall: systemClock.now() }
}
