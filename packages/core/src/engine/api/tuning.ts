/** Records that one call of the storage reads. */
export const pageSize = 1000

/** Slots, or heads of jobs, that one call of the storage reads. The engine works on each, so a page is smaller. */
export const itemsPerRead = 500

/** Items that a call reads at least, where most of them may not be wanted. */
export const fewestPerRead = 100

/**
 * Items that are read together where one is usually enough: the slots after a run of a backfill, the runs after a failure,
 * the replays of one original.
 */
export const itemsLikelyEnough = 8

/** Characters of data in one call of requests. A larger call blocks the event loop while it is serialized and parsed. */
export const mostCharacters = 1_000_000

/** If less than half of a page is wanted, the next page is larger by this factor. */
export const pageGrowth = 4

/** Jobs up to which a list is in the order of names. Its first page reads all their heads. */
export const mostSortedJobs = 10_000
/** Jobs up to which each further page reads all heads again, so that it has the jobs that were added meanwhile. */
export const mostRereadJobs = 2000

/** Calls of the storage that look for the last success of a job. */
export const mostSuccessSearches = 10

/** Characters of the digest that a cursor begins with: forged cursors are found, and cursors stay short. */
export const cursorDigestLength = 8

/** Builds whose code is remembered. The memory starts anew beyond this number. */
export const rememberedBuilds = 100

/** Slots that a plan shows for a definition. */
export const slotsInPlan = 3

/** Slots that are named in the answer to a request for a backfill. */
export const mostSlotsNamed = 100

/** Milliseconds that slots that are due have to begin, before a run of a backfill is created. */
export const backfillDelayMs = 250

/** Milliseconds between two looks for changes, if the reader names no interval. */
export const changeIntervalMs = 1000
/** The shortest interval between two looks, in milliseconds, also after a wake-up: a burst of changes costs four looks a second. */
export const shortestChangeIntervalMs = 250
/** The longest interval that a reader may ask for, in milliseconds. */
export const longestChangeIntervalMs = 10_000
/** Changed jobs and failures that one call reads. */
export const changesPerRead = 200
/** Calls that one look makes for each kind of change. Beyond them, readers learn that everything may have changed. */
export const mostChangeReads = 3
/** The next slots of all jobs, and the running occurrences, that are compared with the previous look. */
export const comparedItems = 20
/** Milliseconds after which a slot that no node takes is left out of the comparison: it would hide the slots after it. */
export const stuckSlotMs = 60_000
/** Changes that are remembered as reported. A change beyond this number may be reported twice. */
export const rememberedChanges = 5000

/** The first interval at which the end of an awaited run is looked for, in milliseconds. Most runs are short. It doubles. */
export const firstWaitPollMs = 100
/** The longest of these intervals, in milliseconds. */
export const longestWaitPollMs = 2000
