/**
 * Maximum size of one call that creates requests, in characters of data. Serializing and parsing a larger call would block
 * the event loop.
 */
export const mostCharacters = 1_000_000

/** Number of next slots that the result of `plan` shows for each job. */
export const slotsInPlan = 3
