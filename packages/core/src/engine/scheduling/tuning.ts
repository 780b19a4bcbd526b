/** Milliseconds between two looks for jobs that come due. */
export const dueLookMs = 1000
/** Milliseconds ahead of their time at which due jobs are looked up: one look may fail, and nothing starts late. */
export const aheadMs: number = 2 * dueLookMs
/** Milliseconds before a whole second at which a look begins: most slots lie on whole seconds. */
export const beforeSecondMs = 500
/** Milliseconds to the next look at least. A nearer look waits for the next second. */
export const shortestLookMs = 300
/** Milliseconds until a look goes on that ended because the node may hold no more jobs. */
export const goOnMs = 100
/** One of so many looks reads all due jobs; the other looks read those that became due since the previous look. */
export const looksPerFullLook = 60
/** One of so many looks overlaps far with the previous look, for jobs whose nodes were slow to write. */
export const looksPerLongOverlap = 10
/** The far overlap, in milliseconds. */
export const longOverlapMs = 20_000

/** Milliseconds between two sweeps for what a damaged storage left behind. */
export const sweepMs = 60_000
/** Polls between two sweeps at most. */
export const pollsPerSweep = 60
/** Milliseconds without an answer, after which the claimer confirms ownership before it calls handlers. */
export const trustMs = 1000
/** Milliseconds for which a node does not claim runs of a job that it could not run although it lacked nothing. */
export const passOverMs = 1000

/** Entries that one recovery step stores for a job. Further runs follow in further steps. */
export const recoveryStep = 1000
/** Entries after which a call takes no further job: a storage in the event loop holds it meanwhile. */
export const enoughEntries: number = 2 * recoveryStep
/** Jobs whose missed slots are decided at once. */
export const decisionsAtOnce = 1000
/** Runs above which a decision counts as a large one. */
export const fewRuns = 20
/** Large decisions that are made at once: the storage stores the runs of one while the slots of the other are counted. */
export const largeDecisionsAtOnce = 2
/** Slots that are looked up together. */
export const slotsTogether = 50_000
/** Slots that are looked up together at least, once one has a record; and slots of a compressed run that are looked up singly. */
export const slotsPerLook = 100
