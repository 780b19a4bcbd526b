/**
 * Maximum size of one call that creates requests, in characters of data. Serializing and parsing a larger call would block
 * the event loop.
 */
export const mostCharacters = 1_000_000

/** Maximum number of storage calls in a search for a job's last success. */
export const mostSuccessSearches = 10

/** Number of next slots that a plan shows for each job. */
export const slotsInPlan = 3

/** Maximum number of slots still to run that the result of a backfill lists. */
export const mostSlotsNamed = 100

/** Delay in ms between a job's next slot and a run of a backfill after that slot, so that the slot starts first. */
export const backfillDelayMs = 250

/**
 * Milliseconds that a process gets to end by itself after a shutdown. An open connection or server can keep the process
 * alive for longer.
 */
export const endsByItselfMs = 1000
