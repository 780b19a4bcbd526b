import { changesAtOnce } from './tuning.ts'

/** Returns how many occurrences each change may cancel, if one call contains `changes` changes. */
export function cancelLimitOf(changes: number): number {
  return Math.max(1, Math.floor(changesAtOnce / changes))
}
