/**
 * How far back a node searches for changes and requests that appear late, in ms. A node with a wrong clock stores changes with
 * an earlier time. A failover to a replica that was behind loses requests.
 */
export const farClockMarginMs = 600_000

/**
 * Every 100th scan for changes is a far scan, which goes back `farClockMarginMs`. A far scan lists many jobs that have not
 * changed, so it is rare.
 */
export const looksPerFarLook = 100

/**
 * Maximum number of jobs that a storage call saves or removes, and of occurrences that the call cancels. A call of this size
 * takes the storage some milliseconds.
 */
export const changesAtOnce = 250

/**
 * Number of records per read in a search that usually ends at the first record, for example a search for the last
 * success.
 */
export const itemsLikelyEnough = 8
