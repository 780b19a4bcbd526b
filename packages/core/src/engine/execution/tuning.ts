/**
 * Maximum wait for a permit of this node, in ms: of a prefetched occurrence, of a due slot, and of a burst of requests. A
 * handler that takes at most this time counts as quick. An occurrence that starts in the step that creates it costs the storage
 * half as much as an occurrence that is stored first. After this time, the node leaves the work to peers, which may have a
 * permit. The horizon also pauses for this time while the node holds as many jobs as it may. `runDue` pauses for this time
 * while it finds no work that it can start.
 */
export const longestWaitMs = 100
/**
 * Number of due slots that may join the backlog for each run that this node takes from the backlog. With 1 or more, storing
 * work that cannot run yet would starve the work that can.
 */
export const joinShare = 0.5
/**
 * Pause after a look of `FairTurns`, as a multiple of the look's duration. During a look, the storage may read all waiting work
 * of the busy jobs.
 */
export const pauseFactor = 20
/** Number of runs that make up the turn of a job. While the backlog is shorter, a claim takes the oldest work of all jobs. */
export const runsPerTurn = 10

/** Milliseconds for which a node that shuts down waits for its killed children. */
export const killedGraceMs = 2000

/**
 * Milliseconds for which the engine waits for a handler after its signal fires. Then it gives up on the handler, unless
 * the node releases the occurrence. Not the option `abortGracePeriod`, which limits a shutdown. The reaper waits twice
 * as long after the execution timeout, so a killed child has ended, and its end is stored, before the reap.
 *
 * Also the time after which a silent starter process counts as stuck, if the node has requested the kill of a child.
 */
export const abortGraceMs = 5000

/**
 * Number of first attempts that a task's record keeps. The record also keeps three times as many last attempts. Each settle
 * writes all kept attempts of its occurrence. Without a limit, 1,000 attempts of a task wrote 3 GB.
 */
export const firstKept = 5
/** Maximum length of a kept log line in characters: message, field names and values together. */
export const longestLine = 1000
