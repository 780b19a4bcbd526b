/** Milliseconds after a run's deadline before nodes release the run: twice the time that an aborted handler has to stop. */
export const graceMs = 10_000
/**
 * Milliseconds until the first repeated search for runs of earlier lives, whose last storage calls may take effect late. Each
 * pause is twice the previous one. The searches end after `deadAfter`, when that life would be dead for every node.
 */
export const firstLookAgainMs = 250
/** A sweep that begins this many ms late was delayed by a stall. Owners on this machine may have stalled too. */
export const stallMs = 5000
/**
 * Sweeps between two searches for owners without a node record, unless records are known to be missing. With the default
 * `reapInterval` that is one hour. The search reads every running occurrence.
 */
export const sweepsPerOwnerSearch = 240

/** Milliseconds, one hour, between two passes of retention over all jobs. */
export const passMs = 3_600_000
/** The first pass begins at a random moment of this span, in ms: nodes that live for less than an hour take part. */
export const firstPassWithinMs = 120_000
/** One call of `runDue` in 60 makes a pass: calls that come each minute make one an hour. */
export const callsPerPass = 60
/** Visits of a job within the age that its retention sets. So history is removed late by at most 1/30 of that age. */
export const visitsPerAge = 30
/** Maximum passes between two visits of a job, one day, however large the age of its retention is. */
export const mostPassesBetween = 24
/** Occurrences per step that removes history. Such a call takes a storage some milliseconds. */
export const removedPerStep = 500

/** Milliseconds between two reads of changed jobs, and between two checks of a silent job for a success. */
export const lookEveryMs = 60_000

/** Jobs in a page of a pass. A page waits while history of its jobs is removed, so that a longer one would be outdated. */
export const headsPerPage = 100
/** Jobs in a page of a read of changes. Such a page is used at once; the call takes a storage a few milliseconds. */
export const changesPerPage = 500
/** Pause after a read, as a multiple of its duration: a storage with a million jobs stays idle most of the time. */
export const restsPerLook = 60
/** Pause after a removal, as a multiple of its duration. A removal is rare, and has to keep up with new history. */
export const restsPerRemoval = 4
/** Bounds of a pause, in ms: other work runs between two steps, and one slow answer does not stop the pass. */
export const shortestRestMs = 20
export const longestRestMs = 5000
