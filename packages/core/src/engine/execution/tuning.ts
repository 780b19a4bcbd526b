/**
 * Maximum time in ms for which work waits for a permit of this node: an occurrence, a due slot or a burst of requests. After
 * this time, the node leaves the work to peers. If a permit becomes free during the wait, one step creates and starts the
 * occurrence. So the wait saves a storage call.
 *
 * This time has three further uses:
 * - A handler that takes at most this time is quick.
 * - If a search of the horizon for due jobs is unfinished, it continues after this time.
 * - If `runDue` finds no work that it can start, it searches for work again after this time.
 */
export const longestWaitMs = 100
/**
 * How many due slots the node may store as pending for each run that it takes from the backlog. With 1 or more, the node would
 * mainly store new work, and the work that can run would starve.
 */
export const joinShare = 0.5
/**
 * Duration of a pause of `FairTurns`, as a multiple of the duration of its last read of the waiting work. The pause is long,
 * because for one such read the storage may read all waiting work of the busy jobs.
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
 * After the execution timeout, the reaper waits twice this time. Meanwhile the owner can kill a child and store the end of the
 * run. If a starter process does not answer a kill within this time, the node treats the starter as stuck.
 */
export const abortGraceMs = 5000

/**
 * Number of first attempts that a task's record keeps. The record also keeps three times as many last attempts. Each settle
 * writes all kept attempts of its occurrence. Without a limit, 1,000 attempts of a task wrote 3 GB.
 */
export const firstKept = 5
/** Maximum length of a kept log line in characters: message, field names and values together. */
export const longestLine = 1000
