/**
 * The kit's own time, 2026-01-01T00:00:00.417Z. Cases pass it to the storage and wait for nothing. The milliseconds show
 * whether a column keeps whole seconds only.
 */
export const start: number = Date.UTC(2026, 0, 1, 0, 0, 0, 417)

export const second = 1_000
export const minute = 60_000

/** The instant of a slot in the kit's usual schedule: one a minute, number 1 a minute after the start. */
export function slotAt(index: number): number {
  return start + index * minute
}
