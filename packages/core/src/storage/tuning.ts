/**
 * Number of earlier fingerprints in the lineage of a head. By the lineage, a node of an older build notices that its
 * definition was replaced before.
 */
export const maxLineage = 32

/** Scheduled time, in milliseconds, by which one level of priority moves a waiting occurrence forward: 1 h. */
export const priorityStepMs = 3_600_000

/**
 * Maximum number of queued occurrences that a single step wakes, for a job with `maxConcurrency` above 1. The first one gets
 * the place that the end of an occurrence has freed. The second one gets a place that was free before, because `maxConcurrency`
 * was raised.
 */
export const wokenAtOnce = 2

/** Maximum number of occurrences of deleted and replaced jobs that each claim cancels. The limit keeps the claim short. */
export const canceledByClaim = 1000

/**
 * Maximum number of jobs whose pauses a claim reads. A claim needs the end of a pause for `nextDueAt`, if it has left a due
 * occurrence of a job unstarted. The maximum is low because each job costs a read on DynamoDB.
 */
export const lookedAtByClaim = 4

/** Maximum number of superseded slots that a step on one occurrence cancels, so that the step stays short. */
export const canceledInPassing = 50
