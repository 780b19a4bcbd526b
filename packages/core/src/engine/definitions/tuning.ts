/**
 * Maximum difference between the clocks of nodes, in ms, if the storage has no clock. A watermark farther ahead comes from
 * a wrong clock.
 */
export const ordinaryClockErrorMs = 60_000

/**
 * How far a node looks back for late effects of a fault, in ms: changes of a node whose clock is wrong, and requests that
 * a failover to a late replica has lost.
 */
export const farClockMarginMs = 600_000

/** Every 100th scan for changes is a far scan. A far scan lists many jobs that have not changed, so it is rare. */
export const looksPerFarLook = 100

/**
 * Milliseconds that an updating node has to cancel the job's waiting occurrences. After this time, other nodes cancel
 * these occurrences.
 */
export const updatePatienceMs = 300_000

/**
 * Number of completed runs that a search for the last success compares per call. Runs may end in another order than
 * scheduled.
 */
export const runsPerSuccessSearch = 10

/** Maximum number of heads per periodic check. A few heads are enough, because a storage that lost its data lacks all heads. */
export const headsPerLook = 20

/** A node holds a new job that is due within this time, in ms. The next scan for due jobs may come too late for such a job. */
export const soonMs = 4000

/** Due jobs that a node may hold beyond its limit of held jobs, as a multiple of this limit. */
export const dueFactor = 4

/** Number of due jobs that a node may hold beyond its limit of held jobs, even if the limit is small. */
export const fewestDue = 1000

/**
 * Maximum number of jobs per call that saves or removes jobs, and of occurrences that such a call cancels. Such a call
 * takes the storage some milliseconds.
 */
export const changesAtOnce = 250
