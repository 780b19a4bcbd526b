/** Fraction of `deadAfter` after which a node without an accepted heartbeat takes no new work. */
export const partitionedAfter = 0.8

/**
 * Timeout of a heartbeat, in heartbeat intervals. After the timeout, the heartbeat has failed and is repeated. If a record
 * with the name of a starting node exists, the starting node also waits this long. A heartbeat of the other node in this
 * time shows that the other node lives.
 */
export const answersWithin = 2

/** Minimum silence of a dead node, in heartbeat intervals. In this time, the observing node has looked at least four times. */
export const leastLooks = 4

/** First counter of a node. The counter stays below 1 until the node has started, and peers assign no jobs to such a node. */
export const counterAtStart = -1_000_000

/**
 * Maximum pause before a failed heartbeat is repeated, in ms. If the heartbeat interval is shorter, the pause is one
 * interval.
 */
export const longestRetryMs = 1000

/**
 * If outages interrupt the observation, a node is dead after this multiple of its `deadAfter` in connected silence. The
 * next look and the reap follow, and both must end within twice `deadAfter` of connected time (`docs/nodes.md`).
 */
export const interruptedFactor = 1.5

/**
 * Maximum number of death records that nodes keep. Each heartbeat reads all records, and a node in a crash loop leaves
 * many.
 */
export const mostDeadKept = 20

/** Bytes per mark. The probability that a mark equals one of 8,000 other marks by chance is about 10^-8. */
export const bytesPerMark = 5

/** Maximum number of builds whose capabilities a process remembers, to bound its memory. */
export const mostKnownCodes = 100
