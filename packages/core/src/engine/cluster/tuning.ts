/** Fraction of `deadAfter` without an accepted heartbeat, after which a node takes no new work. */
export const partitionedAfter = 0.8

/**
 * Timeout of a heartbeat, in heartbeat intervals. After it, the heartbeat has failed and is repeated. A starting node also
 * waits this long for a heartbeat of a node of its name.
 */
export const answersWithin = 2

/** Minimum silence of a dead node, in heartbeat intervals: this node has looked at least four times meanwhile. */
export const leastLooks = 4

/** First counter of a node. It grows, and stays below 1 until the start is over: peers assign no jobs to such a node. */
export const counterAtStart = -1_000_000

/** Maximum pause before a failed heartbeat is repeated, in ms. A shorter heartbeat interval shortens it. */
export const longestRetryMs = 1000

/**
 * Connected silence after which a node is dead, as a multiple of its `deadAfter`, if outages interrupt the observation.
 * With the next look and the reap it stays below the documented bound of 2.
 */
export const interruptedFactor = 1.5

/** Records of dead nodes that are kept. Each heartbeat reads all records, and a node in a crash loop leaves many. */
export const mostDeadKept = 20

/**
 * Functions, and definitions, whose marks fit into a profile beside the names of handlers: storages hold 131,072 bytes. A node
 * with more functions stores no profile. A node with more definitions stores a profile without them.
 */
export const mostMarks = 8000

/** Bytes of JSON of the names of handlers in a profile. A node with longer names stores no profile. */
export const mostHandlerBytes = 20_000

/** Bytes of a mark. One mark equals one of 8,000 others by chance once in 10^8 times. */
export const bytesPerMark = 5

/** Builds whose capabilities a process remembers. Bounds memory. */
export const mostKnownCodes = 100
