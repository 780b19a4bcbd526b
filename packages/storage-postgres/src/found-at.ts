/**
 * Maximum distance of a job's next instant from its stored `found_at`, in ms. The index over due jobs contains `found_at`
 * instead of the next instant. So a start whose next instant is within this distance changes no indexed column.
 */
export const foundAheadMs = 8000

/**
 * Returns SQL for the new `found_at` of a head. `nextAt`, `foundBefore`: SQL for its next instant and its present
 * `found_at`.
 */
export function foundAt(nextAt: string, foundBefore: string): string {
  return `CASE WHEN ${nextAt} >= ${foundBefore} AND ${nextAt} < ${foundBefore} + ${foundAheadMs} THEN ${foundBefore} ELSE ${nextAt} END`
}
