/**
 * Milliseconds (one hour) between two passes of retention, and between two searches for owners without a node record. Such a
 * search reads every running occurrence.
 */
export const passMs = 3_600_000

/**
 * A job's retention sets how old its history may become. In a time of this length, the retainer visits the job this many times.
 * So the removal of history is late by at most 1/30 of that age, or by one hour if longer.
 */
export const visitsPerAge = 30

/**
 * Pause after a step of retention, as a multiple of the step's duration. A step reads a page of jobs, or removes history of a
 * job. Removals keep up with new history, and the storage is idle for four fifths of a pass.
 */
export const restsPerStep = 4

/**
 * Minimum and maximum pause after a step of retention, in ms. The minimum lets other work run between two steps, also between
 * two pages of the watch for silent jobs. The maximum keeps one slow answer from delaying all further steps.
 */
export const shortestRestMs = 20
export const longestRestMs = 5000
