/**
 * How far back a node searches for changes and requests that appear late, in ms. They appear late if the clock of a node is
 * wrong, or after a failover to a replica that was behind.
 */
export const farClockMarginMs = 600_000

/** Every 100th scan for changes goes back `farClockMarginMs`. Such a scan lists many unchanged jobs, so it is rare. */
export const looksPerFarLook = 100

/**
 * Maximum number of jobs that a storage call saves or removes, and of occurrences that the call cancels. A call of this size
 * takes the storage some milliseconds.
 */
export const changesAtOnce = 250

/** Number of records per read in a search that usually ends at the first record. */
export const itemsLikelyEnough = 8
