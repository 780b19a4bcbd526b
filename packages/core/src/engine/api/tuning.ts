/**
 * Maximum size of one call that creates requests, in characters of data. Serializing and parsing a larger call would block
 * the event loop.
 */
export const mostCharacters = 1_000_000

/** Maximum number of storage calls in a search for a job's last success. */
export const mostSuccessSearches = 10

/** Number of next slots that the result of `plan` shows for each job. */
export const slotsInPlan = 3

/** Maximum number of slots that the result of a backfill lists as still to run. */
export const mostSlotsNamed = 100

/**
 * Delay in ms of a backfill run that could overlap the job's next slot. The run starts this long after the slot, so that
 * the slot starts first.
 */
export const backfillDelayMs = 250

/**
 * Milliseconds that a process gets to end by itself after a shutdown by a signal. Afterwards the engine ends the process,
 * because an open connection or server would keep it alive.
 */
export const endsByItselfMs = 1000
