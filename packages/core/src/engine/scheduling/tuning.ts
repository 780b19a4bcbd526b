import { lookMs } from '../execution/tuning.ts'

/**
 * Milliseconds before its slot at which a job is loaded: two intervals of looks, so that a single failed look delays no slot.
 */
export const aheadMs: number = 2 * lookMs
/**
 * Number of looks for due jobs of which one reads all due jobs. The other looks read only jobs that became due since the
 * previous look.
 */
export const looksPerFullLook = 60
/**
 * Overlap of looks for due jobs and of scans for overdue slots with the previous one, in ms. The overlap covers clock
 * differences between nodes and late writes. The index has only the next slot of each job, so an overlap returns few jobs.
 * After a failover that lost writes, old slots are overdue again. With a longer overlap, a peer would launch these slots before
 * the node that created them has noticed and reported the loss.
 */
export const overlapMs = 10_000

/**
 * Maximum number of runs that a recovery decision of a job creates; further decisions create further runs. Also the maximum
 * number of slots whose records a decision reads at a time.
 */
export const recoveryStep = 1000
/**
 * If a compressed run covers at most this many slots, the node reads their records by id; one call serves several jobs. For
 * more slots, the node lists the records of the job. Also the maximum number of runs of a small recovery decision, which the
 * storage stores in some milliseconds.
 */
export const fewSlots = 20

/**
 * Number of nodes that scan for overdue slots at full frequency. Other nodes are a reserve in case all of these fail together.
 */
export const activeWatchers = 2
/**
 * Scan interval of reserve nodes, as a multiple of an active watcher's interval. Also the maximum factor by which slow peers
 * stretch a scan interval.
 */
export const reserveFactor = 10
/** Sample size: the 20 oldest overdue slots show whether a slow peer has died. */
export const sample = 20
/**
 * Maximum number of pages per sample, because several pages may hold only jobs that no living node can run. Also the number of
 * rounds that start no scan while launches of the previous scan have no answer. After these rounds, the node no longer waits
 * for the answers.
 */
export const mostSamples = 5
