/**
 * Milliseconds by which clocks of nodes may differ if the storage has no clock. A watermark farther ahead comes from a wrong
 * clock.
 */
export const ordinaryClockErrorMs = 60_000

/**
 * Milliseconds for which a node looks back for late effects of a fault: changes of a node whose clock is wrong, and requests
 * that a failover to a late replica has lost.
 */
export const farClockMarginMs = 600_000

/** One in 100 scans for changes is a far scan, because a far scan lists many jobs that have not changed. */
export const looksPerFarLook = 100

/** Milliseconds that an updating node has to cancel the waiting occurrences. After that, other nodes cancel them. */
export const updatePatienceMs = 300_000

/** Completed runs that a search for the last success compares, because runs may end in another order than scheduled. */
export const runsPerSuccessSearch = 10

/** Maximum number of heads per periodic check. A few are enough: a storage that lost its data lacks all heads. */
export const headsPerLook = 20

/** Milliseconds. A node holds a new job that is due within this time, because the scan for due jobs may come too late. */
export const soonMs = 4000

/** Due jobs that a node may hold beyond its limit, as a multiple of that limit. */
export const dueFactor = 4

/** Minimum number of due jobs that a node may hold beyond its limit. */
export const fewestDue = 1000

/** Jobs per call that saves or removes, and occurrences that it cancels. Such a call takes the storage some milliseconds. */
export const changesAtOnce = 250
