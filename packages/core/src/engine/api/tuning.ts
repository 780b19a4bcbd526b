/** Minimum number of items per read, if a filter may exclude most of them. */
export const fewestPerRead = 100

/** Items per read if the first one is usually the result, as with slots of a lane, runs after a failure, and replays. */
export const itemsLikelyEnough = 8

/** Characters of data in one call of requests. Serializing and parsing a larger call would block the event loop. */
export const mostCharacters = 1_000_000

/** Maximum number of storage calls in a search for a job's last success. */
export const mostSuccessSearches = 10

/** Slots that a plan shows for a definition. */
export const slotsInPlan = 3

/** Slots that the result of a backfill lists. */
export const mostSlotsNamed = 100

/** Milliseconds between the job's next slot and a run of a backfill after it, so that the slot starts first. */
export const backfillDelayMs = 250

/** Default interval between two scans for changes, in milliseconds. */
export const changeIntervalMs = 1000

/** Changed jobs, or failures, per storage call of a scan. */
export const changesPerRead = 200

/** Calls per scan and kind of change. If these do not read all changes, readers learn that any job may have changed. */
export const mostChangeReads = 3

/** Next slots, and running occurrences, that a scan compares with the previous scan. */
export const comparedItems = 20

/** First interval between two reads of an awaited run, in milliseconds. Short, as most runs are; it doubles with each read. */
export const firstWaitPollMs = 100

/** Maximum interval between two reads of an awaited run, in milliseconds. */
export const longestWaitPollMs = 2000

/** Milliseconds from the end of a shutdown to the end of the process. An open connection or server keeps it alive for longer. */
export const endsByItselfMs = 1000
