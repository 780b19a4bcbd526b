/** So many waiting occurrences of a deleted job are canceled in one step, which takes some milliseconds. */
export const cancelLimit = 250

/** So many definitions of a list are stored or removed in one step: more would hold the event loop for long. */
export const definitionsAtOnce = 250

/** As {@link cancelLimit}, for each of so many changes in one call. */
export function cancelLimitOf(changes: number): number {
  return Math.max(1, Math.floor(cancelLimit / changes))
}
