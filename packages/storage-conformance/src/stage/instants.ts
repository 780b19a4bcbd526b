/**
 * The fixed start of the kit's virtual time, 2026-01-01T00:00:00.417Z. Cases pass instants to the storage and do not wait. The
 * milliseconds show whether a column stores only whole seconds.
 */
export const start: number = Date.UTC(2026, 0, 1, 0, 0, 0, 417)

export const second = 1_000
export const minute = 60_000

/** Returns the instant of a slot: the kit's jobs have one slot per minute, and slot 1 is one minute after the start. */
export function slotAt(index: number): number {
  return start + index * minute
}
