/**
 * Maximum time in ms for which work waits for a permit of this node. The work is an occurrence, a due slot or a burst of
 * requests. After this time, the node leaves the work to peers.
 *
 * The wait saves a storage call. If a permit becomes free during the wait, one storage call creates and starts the occurrence.
 * Without the wait, creation and start would be two storage calls.
 *
 * This time has three further uses:
 * - A handler that takes at most this time is quick.
 * - The horizon continues an unfinished search for due jobs after this time.
 * - `runDue` searches for work again after this time, if it has found no work that it can start.
 */
export const longestWaitMs = 100
/**
 * Number of due slots that the node may store as pending for each run that it claims from the backlog. With 1 or more, the node
 * would add at least as much work to the backlog as it claims.
 */
export const joinShare = 0.5
/**
 * Duration of a pause of `FairTurns`, as a multiple of the duration of its last claim that left out jobs. The pause is long:
 * for one such claim, the storage may read all waiting work of the busy jobs.
 */
export const pauseFactor = 20
/** Number of runs that make up the turn of a job. */
export const runsPerTurn = 10

/** Milliseconds for which a node that shuts down waits for its killed children. */
export const killedGraceMs = 2000

/**
 * Milliseconds for which the engine waits for a handler after the handler's signal has fired. Then the engine gives up on the
 * handler, unless the node hands the occurrence back. The option `abortGracePeriod` is different: it limits a shutdown.
 *
 * After the execution timeout of a run, the reaper waits twice this time. In this time, the owner can kill a child and store the
 * end of the run.
 */
export const abortGraceMs = 5000

/**
 * Number of first attempts that the record of a task keeps. It also keeps three times as many last attempts. Each settle writes
 * all kept attempts of its occurrence. Without this limit, a task with 1,000 attempts caused 3 GB of writes.
 */
export const firstKept = 5
/** Maximum length of a kept log line in characters: message, field names and values together. */
export const longestLine = 1000
