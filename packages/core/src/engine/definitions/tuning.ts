/**
 * How far back a node searches for late effects of a fault, in ms. These are changes by a node whose clock is wrong, and
 * requests that a failover to a replica that was behind has lost.
 */
export const farClockMarginMs = 600_000

/**
 * Every 100th scan for changes is a far scan, which goes back `farClockMarginMs`. A far scan lists many jobs that have not
 * changed, so it is rare.
 */
export const looksPerFarLook = 100

/**
 * Maximum number of jobs per call that saves or removes jobs, and of occurrences that such a call cancels. Such a call
 * takes the storage some milliseconds.
 */
export const changesAtOnce = 250

/**
 * Number of records per read in a search that usually ends at the first record, for example a search for the last
 * success.
 */
export const itemsLikelyEnough = 8
