/**
 * Maximum time in ms for which a prefetched occurrence, a due slot or a burst of requests waits for a permit of this node.
 * After this time, the node leaves the work to peers, which may have a free permit. A wait is worthwhile, because the start of
 * an occurrence in the step that creates it saves a storage call.
 *
 * Three further uses: a handler that takes at most this time is quick. While the node holds as many jobs as it may, the horizon
 * pauses for this time. While `runDue` finds no work that it can start, it pauses for this time.
 */
export const longestWaitMs = 100
/**
 * Number of due slots that may join the backlog for each run that this node takes from the backlog. With 1 or more, storing
 * work that cannot run yet would starve the work that can.
 */
export const joinShare = 0.5
/**
 * Pause after `FairTurns` has read the waiting work, as a multiple of the duration of the read. During this read, the storage
 * may read all waiting work of the busy jobs.
 */
export const pauseFactor = 20
/** Number of runs that make up the turn of a job. While the backlog is shorter, a claim takes the oldest work of all jobs. */
export const runsPerTurn = 10

/** Milliseconds for which a node that shuts down waits for its killed children. */
export const killedGraceMs = 2000

/**
 * Milliseconds for which the engine waits for a handler after the handler's signal fires. Then the engine gives up on the
 * handler, unless the node releases the occurrence. The option `abortGracePeriod` is different: it limits a shutdown.
 *
 * After the execution timeout, the reaper waits twice this time. In this time the owner can kill the child of an isolated task and
 * store the end of the run.
 *
 * Third use: the node has requested the kill of a child, and the starter process stays silent. After this time, the node treats
 * the starter as stuck.
 */
export const abortGraceMs = 5000

/**
 * Number of first attempts that a task's record keeps. The record also keeps three times as many last attempts. Each settle
 * writes all kept attempts of its occurrence. Without a limit, 1,000 attempts of a task wrote 3 GB.
 */
export const firstKept = 5
/** Maximum length of a kept log line in characters: message, field names and values together. */
export const longestLine = 1000
