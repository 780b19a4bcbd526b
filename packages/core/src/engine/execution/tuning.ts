/**
 * Maximum time in ms for which an occurrence, a due slot or a burst of requests waits for a permit of this node. After this
 * time, the node leaves the work to peers. A wait is worthwhile, because an occurrence that starts in the step that creates it
 * saves a storage call.
 *
 * This time has further uses. A handler that takes at most this time is quick. The horizon continues an unfinished search after
 * this time. If `runDue` finds no work that it can start, it looks again after this time.
 */
export const longestWaitMs = 100
/**
 * Number of due slots that may join the backlog for each run that this node takes from the backlog. With 1 or more, storing new
 * work would starve the work that can run.
 */
export const joinShare = 0.5
/**
 * Pause after `FairTurns` has read the waiting work, as a multiple of the duration of the read. During this read, the storage
 * may read all waiting work of the busy jobs.
 */
export const pauseFactor = 20
/** Number of runs that make up the turn of a job. */
export const runsPerTurn = 10

/** Milliseconds for which a node that shuts down waits for its killed children. */
export const killedGraceMs = 2000

/**
 * Milliseconds for which the engine waits for a handler after its signal fires. Then the engine gives up on the handler, unless
 * the node releases the occurrence. The option `abortGracePeriod` is different: it limits a shutdown.
 *
 * After the execution timeout, the reaper waits twice this time, so that the owner can kill a child and store the end of the
 * run. The node treats a starter process as stuck if it does not answer a kill within this time.
 */
export const abortGraceMs = 5000

/**
 * Number of first attempts that a task's record keeps. The record also keeps three times as many last attempts. Each settle
 * writes all kept attempts of its occurrence. Without a limit, 1,000 attempts of a task wrote 3 GB.
 */
export const firstKept = 5
/** Maximum length of a kept log line in characters: message, field names and values together. */
export const longestLine = 1000
