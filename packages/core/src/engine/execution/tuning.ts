/**
 * Maximum wait for a permit of this node, in ms: of a prefetched occurrence, of a due slot, and of a burst of requests.
 * Handlers that take no longer count as quick. An occurrence that starts in the step that creates it costs the storage half
 * as much as one that is stored first. After this time, other nodes may have a permit. Also the ms until a look continues that
 * stopped because the node may hold no more jobs.
 */
export const longestWaitMs = 100
/** Milliseconds without the end of a run, after which the node no longer counts as working off its backlog quickly. */
export const longestRestMs = 10_000
/**
 * Milliseconds between two looks for work: for jobs that become due, for slots that wait behind a backlog, and for waiting jobs
 * if the last look left out a single job and found no other.
 */
export const lookMs = 1000
/**
 * Slots that may join the backlog for each run that this node takes from it. With 1 or more, storing work that cannot run
 * yet would starve the work that can.
 */
export const joinShare = 0.5
/** Most slots that may join at once, after many were taken. One claim or create has about as many items. */
export const mostJoining = 1000
/** Factor by which the remembered latency shrinks with each further handler. After 60 quick handlers, 5 % of it is left. */
export const decay = 0.95
/** Looks take at most 1/20 of the time, because a storage may read all waiting work of the busy jobs during a look. */
export const pauseFactor = 20
/** Jobs per round, at most. Among more jobs, none holds most of the node. */
export const mostInRound = 100
/** Runs of a job that make up its turn. In shorter backlogs a claim takes the oldest work of all jobs. */
export const runsPerTurn = 10

/** Milliseconds for which an idle child of a pool is kept. */
export const idleChildMs = 30_000
/** Milliseconds for which a node that ends waits for its killed children. */
export const killedGraceMs = 2000

/**
 * Milliseconds for which the engine waits for a handler after its signal fires. Then it abandons the handler. The reaper
 * waits twice as long after the execution timeout, so a killed child has ended, and its end is stored, before the reap. Also
 * the time without a message after which a starter counts as stuck, if the node has requested the kill of a child.
 */
export const abortGraceMs = 5000

/**
 * Attempts to keep of a task: the first 5 and the last 15, of which the last 3 keep the stack and cause of their error. Each
 * settle writes all kept attempts of its occurrence. Without a limit, 1,000 attempts of a task wrote 3 GB.
 */
export const firstKept = 5
export const lastKept = 15
export const lastWithStack = 3
/** Maximum length of a kept log line in characters: message, field names and values together. */
export const longestLine = 1000
/**
 * Milliseconds until the storage receives what an execution has not reported yet: first attempts for which its claim stands,
 * progress, and log lines. After as long without an answer to a claim, the claimer confirms ownership before it calls handlers.
 */
export const longestDelayMs = 1000
