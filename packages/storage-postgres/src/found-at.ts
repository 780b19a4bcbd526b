/**
 * So far `found_at` of a head, which is what the index over due jobs goes by, may lie before its next instant, in
 * milliseconds. While a job's slots lie so close together, a start changes no indexed column, and writes no index.
 */
export const foundAheadMs = 8000

/** What `found_at` is to be for a next instant, given what it was. */
export function foundAt(nextAt: string, foundBefore: string): string {
  return `CASE WHEN ${nextAt} >= ${foundBefore} AND ${nextAt} < ${foundBefore} + ${foundAheadMs} THEN ${foundBefore} ELSE ${nextAt} END`
}
