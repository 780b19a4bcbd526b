/** Minimum number of records per read, if a filter may exclude most of the records. */
export const fewestPerRead = 100

/**
 * Records per read if the first record is usually the result, for example slots of a lane, runs after a failure, and
 * replays.
 */
export const itemsLikelyEnough = 8

/**
 * Maximum size of one call that creates requests, in characters of data. Serializing and parsing a larger call would block
 * the event loop.
 */
export const mostCharacters = 1_000_000

/** Maximum number of storage calls in a search for a job's last success. */
export const mostSuccessSearches = 10

/** Number of next slots that a plan shows for each job. */
export const slotsInPlan = 3

/** Maximum number of open slots that the result of a backfill lists. */
export const mostSlotsNamed = 100

/** Delay in ms between a job's next slot and a run of a backfill after that slot, so that the slot starts first. */
export const backfillDelayMs = 250

/** Default interval between two scans for changes, in milliseconds. */
export const changeIntervalMs = 1000

/** Maximum number of changed jobs, or of failures, per storage call of a scan. */
export const changesPerRead = 200

/**
 * Maximum number of storage calls per scan and kind of change. If more changes follow, readers learn that any job may have
 * changed.
 */
export const mostChangeReads = 3

/** Number of next slots, and of running occurrences, that a scan compares with the previous scan. */
export const comparedItems = 20

/**
 * First interval between two reads of an awaited run, in milliseconds. The interval is short because most runs are short;
 * each read doubles it.
 */
export const firstWaitPollMs = 100

/** Maximum interval between two reads of an awaited run, in milliseconds. */
export const longestWaitPollMs = 2000

/**
 * Milliseconds that a process gets to end by itself after a shutdown. An open connection or server can keep the process
 * alive for longer.
 */
export const endsByItselfMs = 1000
