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
 * Pause after a page of jobs was read, as a multiple of the read's duration. No call waits for these reads, and a storage may
 * have a million jobs: it is idle for 98 % of a scan.
 */
export const restsPerLook = 60

/**
 * Pause after a removal of history, as a multiple of its duration. Removals keep up with new history, and the storage is idle
 * for four fifths of the time.
 */
export const restsPerRemoval = 4

/**
 * Minimum and maximum pause after a page or a removal, in ms. The minimum lets other work run in between. The maximum keeps one
 * slow answer from delaying all further steps.
 */
export const shortestRestMs = 20
export const longestRestMs = 5000
