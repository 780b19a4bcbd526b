/**
 * The fixed start of the kit's virtual time, 2026-01-01T00:00:00.417Z. The 417 ms are deliberate: if an adapter stores only
 * whole seconds, cases fail.
 */
export const start: number = Date.UTC(2026, 0, 1, 0, 0, 0, 417)

export const second = 1_000
export const minute = 60_000

/** Returns the instant of a slot. The kit's jobs have one slot per minute; slot 1 is a minute after the start. */
export function slotAt(index: number): number {
  return start + index * minute
}
