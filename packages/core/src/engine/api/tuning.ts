/** Records per storage call of a list. */
export const pageSize = 1000

/** Slots, or heads of jobs, per storage call. Smaller than `pageSize`, because the engine processes each of them. */
export const itemsPerRead = 500

/** Minimum number of items per read, if a filter may exclude most of them. */
export const fewestPerRead = 100

/** Items per read if the first one is usually the result, as with slots of a lane, runs after a failure, and replays. */
export const itemsLikelyEnough = 8

/** Characters of data in one call of requests. Serializing and parsing a larger call would block the event loop. */
export const mostCharacters = 1_000_000

/** Factor by which the next page is larger if the filter matches less than half of a page. */
export const pageGrowth = 4

/** Maximum number of jobs in a list that is sorted by name. The first page of such a list reads all heads. */
export const mostSortedJobs = 10_000
/** Maximum number of jobs for which each further page reads all heads again, to include jobs added meanwhile. */
export const mostRereadJobs = 2000

/** Maximum number of storage calls in a search for a job's last success. */
export const mostSuccessSearches = 10

/** Characters of the digest with which a cursor begins. Enough to detect forged cursors, and short. */
export const cursorDigestLength = 8

/** Slots that a plan shows for a definition. */
export const slotsInPlan = 3
/** Slots that a plan computes for a definition: people rarely cancel more than one of the next three slots. */
export const slotsForPlan: number = 2 * slotsInPlan

/** Slots that the result of a backfill lists. */
export const mostSlotsNamed = 100

/** Milliseconds between the job's next slot and a run of a backfill after it, so that the slot starts first. */
export const backfillDelayMs = 250

/** Default interval between two scans for changes, in milliseconds. */
export const changeIntervalMs = 1000
/**
 * Minimum interval between two scans, in milliseconds, also after a wake-up: a burst of changes causes at most four scans per
 * second.
 */
export const shortestChangeIntervalMs = 250
/** Maximum interval between two scans that a caller may set, in milliseconds. */
export const longestChangeIntervalMs = 10_000
/** Changed jobs, or failures, per storage call of a scan. */
export const changesPerRead = 200
/** Calls per scan and kind of change. If these do not read all changes, readers learn that any job may have changed. */
export const mostChangeReads = 3
/** Next slots, and running occurrences, that a scan compares with the previous scan. */
export const comparedItems = 20
/** Milliseconds after which a scan ignores a slot that no node has launched, because it would hide the slots after it. */
export const stuckSlotMs = 60_000
/** Reported changes that a process remembers. Beyond this number, it may report a change twice. */
export const rememberedChanges = 5000

/** First interval between two reads of an awaited run, in milliseconds. Short, as most runs are; it doubles with each read. */
export const firstWaitPollMs = 100
/** Maximum interval between two reads of an awaited run, in milliseconds. */
export const longestWaitPollMs = 2000

/** The end of a pause without effect, in epoch milliseconds. Such a pause only stores who resumed the job. */
export const beforeAllSlots = 1

/** Milliseconds from the end of a shutdown to the end of the process. An open connection or server keeps it alive for longer. */
export const endsByItselfMs = 1000
