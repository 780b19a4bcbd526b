import { changesAtOnce } from './tuning.ts'

/** The occurrences that each of so many changes in one call may cancel. */
export function cancelLimitOf(changes: number): number {
  return Math.max(1, Math.floor(changesAtOnce / changes))
}
