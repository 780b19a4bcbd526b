/**
 * How far `found_at` of a head may lie before its next instant, in ms. The index over due jobs contains `found_at`. While the
 * slots of a job lie closer together than this, a start changes no indexed column, and writes no index.
 */
export const foundAheadMs = 8000

/** SQL for the new `found_at` of a head. `nextAt`, `foundBefore`: SQL for its next instant and its present `found_at`. */
export function foundAt(nextAt: string, foundBefore: string): string {
  return `CASE WHEN ${nextAt} >= ${foundBefore} AND ${nextAt} < ${foundBefore} + ${foundAheadMs} THEN ${foundBefore} ELSE ${nextAt} END`
}
