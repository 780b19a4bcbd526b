/** Milliseconds in a day of 24 hours. */
export const dayMs = 86_400_000

/**
 * Period of upkeep, in ms. Upkeep consists of measurements, checks, summaries in the log, and retries that no caller awaits.
 * Also the maximum delay of a timer, so that a node notices a clock jump within this time.
 */
export const upkeepMs = 60_000

/**
 * Period of frequent background work, in ms, such as checks for due jobs and repeats of a failed heartbeat. Also the maximum
 * time that a shutdown waits for each answer of the storage. Must be far below `deadAfter`. Otherwise peers would declare a
 * node dead before it has repeated its heartbeat.
 */
export const lookMs = 1000

/** Difference of two clocks, in ms, up to which the node regards both clocks as right. NTP keeps clocks within some ms. */
export const maxClockSkewMs = 1000

/**
 * Maximum difference of two clocks, in ms, that a node tolerates. Up to this difference, the node is not late with its work and
 * repeats no work. A larger difference shows that a clock has jumped, or that a node was blocked.
 */
export const clockMarginMs = 5000

/** Number of records per storage call that reads or removes many records. A storage takes some milliseconds for such a call. */
export const recordsPerCall = 500

/**
 * Number of records per read, for two kinds of reads:
 * - A filter may exclude most of the records. Many smaller reads would find no record that fits.
 * - The records may become outdated while the reader works on them. Of a larger read, more records would become outdated.
 */
export const fewestPerRead = 100

/** Maximum number of records that a periodic check or a scan for changes reads as a sample. */
export const sampleSize = 20

/** Maximum number of entries of a cache, such as the cache of ids by name. A full cache is emptied. */
export const rememberedValues = 1000

/** Maximum number of items in one call of a program, such as `triggerMany`. */
export const mostItems = 10_000

/** Maximum number of names, issues or lines in a message. The first ones of a long list show the problem. */
export const mostListed = 10

/**
 * Maximum length of a text to parse as a duration, an instant or a time zone, in characters. Some parsers take quadratic time.
 */
export const longestReadable = 100

/** Maximum depth to which nested causes and members of an error are read. */
export const deepestCause = 5

/**
 * Maximum length of a stored error message, in characters. A job that keeps failing stores its error with each run, and long
 * messages would fill the storage.
 */
export const longestMessage = 2000

/** Maximum length of a stored error stack, in characters. */
export const longestStack = 4000

/** Maximum number of stored errors of one failure, causes included. */
export const mostErrorRecords = 20

/** Maximum length of a value in the message of an error, in characters. */
export const longestPrintedValue = 80

/**
 * Maximum size of a result, or of the data of a request, in bytes of JSON. Each write of an occurrence carries these bytes, and
 * storages limit the size of a record.
 */
export const mostJsonBytes = 131_072

/** Maximum depth of a stored JSON value. The parsers of some storages reject deeper values. */
export const deepestJson = 100

/** Maximum length of a name, a reason or an actor, in characters. */
export const longestName = 255

/**
 * Default interval of heartbeats, in ms. Also the default interval of polls on a storage with wake-ups. Such a storage needs
 * polls only to find work whose wake-up was lost.
 */
export const ordinaryHeartbeatMs = 5000

/**
 * Number of heartbeat intervals in `deadAfter`. If `deadAfter` covered fewer than four intervals, a few failed calls would
 * look like the death of the node.
 */
export const heartbeatsUntilDead = 6

/**
 * Maximum number of data-only jobs that a node holds in memory; 5,000 jobs take a few MB. If the storage has more such jobs,
 * the node loads the jobs that come due.
 */
export const heldJobs = 5000

/** Milliseconds between a wake-up and the poll that it causes, so that a burst of changes causes one poll. */
export const wakeDelayMs = 200

/** Milliseconds that the node waits for the last output or message of a child process that has ended. */
export const outputGraceMs = 200

/**
 * Maximum number of log lines, and of reports of progress, that a handler in a child may send per second. Without a maximum, a
 * handler that logs in a loop would fill the node's memory.
 */
export const linesPerSecond = 500

/** Milliseconds that a virtual clock without a timer waits before it checks again whether a timer was set. */
export const idleLookMs = 10
