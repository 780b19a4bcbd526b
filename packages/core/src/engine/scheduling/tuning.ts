/**
 * Maximum number of runs that a recovery decision of a job creates; further decisions create further runs. Also the maximum
 * number of slots whose records a decision reads at a time.
 */
export const recoveryStep = 1000
/**
 * A number of slots with two uses:
 * - A recovery decision with at most this many runs is small: the storage stores it in some milliseconds.
 * - A scan for overdue slots begins with the oldest ones, up to this number. They show whether peers are dead or only slow.
 */
export const fewSlots = 20

/**
 * Number of nodes that scan for overdue slots at full frequency. Other nodes are a reserve in case all of these fail together.
 */
export const activeWatchers = 2
/**
 * Scan interval of reserve nodes, as a multiple of an active watcher's interval. Also the factor by which slow peers lengthen a
 * scan interval, and the number of `standby` intervals for which a late launch makes this node count as late.
 */
export const reserveFactor = 10
/** Number of rounds for which a scan for overdue slots waits for the launches of the slots that it found. */
export const mostWaits = 5
