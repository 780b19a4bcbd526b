/** Milliseconds after a run's deadline before nodes release the run: twice the time that an aborted handler has to stop. */
export const graceMs = 10_000

/**
 * Sweeps between two searches for owners without a node record, unless records are known to be missing. With the default
 * `reapInterval` that is one hour. The search reads every running occurrence.
 */
export const sweepsPerOwnerSearch = 240

/** Milliseconds, one hour, between two passes of retention over all jobs. */
export const passMs = 3_600_000

/** Visits of a job within the age that its retention sets. So history is removed late by at most 1/30 of that age. */
export const visitsPerAge = 30

/** Pause after a read, as a multiple of its duration: a storage with a million jobs stays idle most of the time. */
export const restsPerLook = 60

/** Pause after a removal, as a multiple of its duration. A removal is rare, and has to keep up with new history. */
export const restsPerRemoval = 4

/** Bounds of a pause, in ms: other work runs between two steps, and one slow answer does not stop the pass. */
export const shortestRestMs = 20
export const longestRestMs = 5000

/** Jobs in a page of a pass. A page waits while history of its jobs is removed, so that a longer one would be outdated. */
export const headsPerPage = 100
