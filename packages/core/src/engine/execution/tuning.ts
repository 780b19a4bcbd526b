/**
 * Maximum wait for a permit of this node, in ms: of a prefetched occurrence, of a due slot, and of a burst of requests.
 * Handlers that take no longer count as quick. An occurrence that starts in the step that creates it costs the storage half
 * as much as one that is stored first. After this time, other nodes may have a permit.
 */
export const longestWaitMs = 100
/** Milliseconds without the end of a run, after which the node no longer counts as working off its backlog quickly. */
export const longestRestMs = 10_000
/** Milliseconds between two attempts to launch slots that wait behind a backlog. */
export const backlogLookMs = 1000
/**
 * Slots that may join the backlog for each run that this node takes from it. With 1 or more, storing work that cannot run
 * yet would starve the work that can.
 */
export const joinShare = 0.5
/** Most slots that may join at once, after many were taken. One claim or create has about as many items. */
export const mostJoining = 1000
/** Least number of requests that counts as a burst. Fewer requests never wait. */
export const requestBurst = 50
/** Target wait of a prefetched slot for a permit, in ms. */
export const aheadMs = 5
/** Factor by which the remembered latency shrinks with each further handler. After 60 quick handlers, 5 % of it is left. */
export const decay = 0.95
/** Milliseconds until the next look, if the last look left out a single job and found no other. */
export const pauseMs = 1000
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
/** Milliseconds without a message from the starter after a `kill` request, after which it counts as stuck. */
export const obeyGraceMs = 5000
/** Maximum length of a kept line of a child's output, in characters. */
export const longestOutputLine = 200
