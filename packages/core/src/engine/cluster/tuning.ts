/** If the storage has accepted no heartbeat of a node for this fraction of `deadAfter`, the node takes no new work. */
export const partitionedAfter = 0.8

/**
 * Two durations, in heartbeat intervals:
 * - The timeout of a heartbeat. After the timeout, the heartbeat has failed, and the node repeats it.
 * - The wait of a starting node if a record with its name exists. If that record's counter grows meanwhile, another living node
 *   has the name.
 */
export const answersWithin = 2

/**
 * Minimum silence before a node is declared dead, in heartbeat intervals. In this time, the observing node looks at least four
 * times.
 */
export const leastLooks = 4

/**
 * Maximum connected silence of a node, as a multiple of its `deadAfter`. If outages interrupt the observation of a node, the
 * node is dead after this silence. Only the time in which the storage answers counts. The factor is below 2: the next look and
 * the reap follow, and must end within twice `deadAfter` (`docs/nodes.md`).
 */
export const interruptedFactor = 1.5

/**
 * Maximum number of death records that nodes keep. Each heartbeat reads all records, and a node in a crash loop leaves
 * many.
 */
export const mostDeadKept = 20

/**
 * Bytes of each hash of a function or definition in a node's profile. The probability that a hash equals one of 8,000
 * other hashes by chance is about 10^-8.
 */
export const bytesPerMark = 5
