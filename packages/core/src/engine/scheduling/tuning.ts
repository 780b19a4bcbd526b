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
 * differences between nodes and late writes. Launched jobs have moved on in the index, so an overlap returns few jobs. A longer
 * overlap would let a peer launch slots that a failover has lost, before the node that created them notices the loss.
 */
export const overlapMs = 10_000

/**
 * Maximum number of runs of a job per recovery step; further runs follow in further steps. Also the number of slots per read of
 * their records.
 */
export const recoveryStep = 1000
/**
 * Maximum number of slots up to which a compressed run reads their records by id, together with other jobs. Also the number of
 * runs above which a decision counts as large; the storage stores a small decision in some milliseconds.
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
 * scan rounds that wait for missing answers of the previous scan, before these answers count as lost.
 */
export const mostSamples = 5
