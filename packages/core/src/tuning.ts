/** Milliseconds of a day. */
export const dayMs = 86_400_000

/** The last instant that a `Date` can hold, in epoch milliseconds: 100,000,000 days after the epoch. */
export const lastInstantMs = 8_640_000_000_000_000

/** Maximum delay of a timer, in milliseconds, so that a clock jump or a sleep of the machine is noticed within it. */
export const longestTimerMs = 60_000

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
/** Bytes of JSON of a definition. Some storages limit a record to 400 kB; a definition within this limit fits all storages. */
export const mostDefinitionBytes: number = 2 * mostJsonBytes
/** Maximum depth of a stored JSON value. The parsers of some storages reject deeper values. */
export const deepestJson = 100
/** Maximum number of members of a value to search for secrets. A database client has thousands of members. */
export const mostMembersSearched = 1000

/** Characters of a name, a reason and an actor. */
export const longestName = 255

/** Poll interval on a storage that sends wake-ups, in milliseconds. The poll covers lost wake-ups. */
export const toldPollMs = 5000
/** Heartbeats in `deadAfter`. With fewer than four, a few failed calls would look like a death. */
export const heartbeatsUntilDead = 6
/** Difference between the clocks of node and storage beyond which the node warns, in ms. NTP keeps clocks within some ms. */
export const maxClockSkewMs = 1000

/** Time after which other nodes launch an overdue slot, in ms. Handlers and storages that answer slowly need less. */
export const standbyMs = 1000
/** Heartbeats between two scans for occurrences beyond their deadline. */
export const heartbeatsPerReap = 3
/** Maximum of that interval, in ms: an expired run waits at most this long, however rare the heartbeats. */
export const longestReapMs = 15_000
/** Jobs that are data and that a node holds. 5,000 jobs take a few MB. A node with more loads the jobs that come due. */
export const heldJobs = 5000

/** Milliseconds between a wake-up and its poll, so that a burst of changes causes one poll. */
export const wakeDelayMs = 200

/** Jumps of a clock that a ticker remembers. */
export const rememberedJumps = 100

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
