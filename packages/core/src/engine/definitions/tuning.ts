/**
 * How far back a node searches for changes of jobs that it could not find earlier, in ms. The cause is a wrong clock of a node,
 * or a change that was repeated during an outage.
 */
export const farClockMarginMs = 600_000

/**
 * Every 100th scan for changes goes back `farClockMarginMs`, to find changes that appear late. Such a scan is rare, because it
 * lists many unchanged jobs.
 */
export const looksPerFarLook = 100

/**
 * Maximum number of jobs that a storage call saves or removes, and of occurrences that the call cancels. A call of this size
 * takes the storage some milliseconds.
 */
export const changesAtOnce = 250

/** Number of records per read in a search that usually ends at the first record. */
export const itemsLikelyEnough = 8
