/** Number of earlier fingerprints that a head keeps, so that nodes of older builds find their definitions. */
export const maxLineage = 32

/** Scheduled time, in milliseconds, by which one level of priority moves a waiting occurrence forward: 1 h. */
export const priorityStepMs = 3_600_000

/**
 * Maximum number of queued occurrences that a single step wakes, for a job with `maxConcurrency` above 1. The first woken
 * occurrence takes the place of the ended occurrence. The second takes a place that a raise of `maxConcurrency` has added.
 */
export const wokenAtOnce = 2

/** Maximum number of occurrences of deleted and replaced jobs that each claim cancels. The limit keeps the claim short. */
export const canceledByClaim = 1000

/**
 * Maximum number of jobs whose pauses a claim reads. A claim reads the pause of a job if it has not started a due occurrence of
 * the job. Each job costs a read on DynamoDB.
 */
export const lookedAtByClaim = 4

/** Maximum number of superseded slots that a step on one occurrence cancels, so that the step stays short. */
export const canceledInPassing = 50
