/** Milliseconds of a day. */
export const dayMs = 86_400_000

/** The last instant that a `Date` can hold, in epoch milliseconds: 100,000,000 days after the epoch. */
export const lastInstantMs = 8_640_000_000_000_000

/** Maximum delay of a timer, in milliseconds, so that a clock jump or a sleep of the machine is noticed within it. */
export const longestTimerMs = 60_000

/**
 * Period of upkeep, in ms: measurements, checks, summaries in the log, and retries that no caller awaits. At this period they
 * cost an idle node nearly nothing.
 */
export const upkeepMs = 60_000

/**
 * Difference of two clocks, in ms, up to which both count as right. NTP keeps clocks within some ms. A larger difference is
 * reported, or shows that a clock was set or that the machine slept.
 */
export const maxClockSkewMs = 1000

/**
 * Difference of two clocks, in ms, that still delays and repeats no work. A clock that moves by more has jumped, and its time
 * is in doubt. Scans overlap by this, and a node that is late by more has stood still.
 */
export const clockMarginMs = 5000

/** Records per storage call that reads or removes many. Such a call takes a storage some milliseconds. */
export const recordsPerCall = 500

/**
 * Maximum entries of a cache, such as the ids of names. A full cache starts empty again, so that names of users do not
 * fill memory.
 */
export const rememberedValues = 1000

/** Maximum number of items in one call of a user. */
export const mostItems = 10_000

/** Maximum number of names, issues and lines in a message; the first ones of a long list show the problem. */
export const mostListed = 10

/**
 * Maximum characters of a text to parse as a duration, an instant or a time zone, because some parsers take quadratic
 * time.
 */
export const longestReadable = 100

/** Maximum depth of causes of errors, and of nested members, that the code follows. */
export const deepestCause = 5

/** Characters to keep of an error's message. A failing job repeats its error with each run. */
export const longestMessage = 2000

/** Characters to keep of an error's stack. */
export const longestStack = 4000

/** Errors to keep of one failure, causes included. */
export const mostErrorRecords = 20

/** Characters of an error that is printed for a person. */
export const longestPrintedError = 10_000

/** Characters of a value that the message of an error shows. */
export const longestPrintedValue = 80

/** Bytes of JSON of a result, or of the data of a request. Each write of an occurrence carries it, and storages limit a record. */
export const mostJsonBytes = 131_072

/** Maximum depth of a stored JSON value. The parsers of some storages reject deeper values. */
export const deepestJson = 100

/** Maximum number of members of a value to search for secrets. A database client has thousands of members. */
export const mostMembersSearched = 1000

/** Characters of a name, a reason and an actor. */
export const longestName = 255

/** Default interval of heartbeats, and of polls on a storage with wake-ups, in ms. Such a poll covers lost wake-ups. */
export const ordinaryHeartbeatMs = 5000

/** Heartbeats in `deadAfter`. With fewer than four, a few failed calls would look like a death. */
export const heartbeatsUntilDead = 6

/** Time after which other nodes launch an overdue slot, in ms. Handlers and storages that answer slowly need less. */
export const standbyMs = 1000

/** Heartbeats between two scans for occurrences beyond their deadline; rare heartbeats count as those of the default. */
export const heartbeatsPerReap = 3

/** Jobs that are data and that a node holds. 5,000 jobs take a few MB. A node with more loads the jobs that come due. */
export const heldJobs = 5000

/** Milliseconds between a wake-up and its poll, so that a burst of changes causes one poll. */
export const wakeDelayMs = 200

/** Milliseconds that the node waits for the last output or message of an ended process. */
export const outputGraceMs = 200

/** Maximum number of unanswered requests of a handler in a child. */
export const mostOpenRequests = 1000

/**
 * Maximum log lines per second of a handler in a child, with bursts of twice that number. A loop would otherwise fill
 * the node's memory.
 */
export const linesPerSecond = 500

/** Milliseconds between two messages about the progress of a handler in a child. */
export const progressEveryMs = 100

/** Turns of the event loop without a call after which a virtual clock moves. An answer may come two turns later. */
export const quietTurns = 3

/** Parts in which a virtual clock waits for real work, so that a busy machine stretches its patience. */
export const partsOfPatience = 10

/** Milliseconds after which a virtual clock without a timer checks for one again. */
export const idleLookMs = 10
