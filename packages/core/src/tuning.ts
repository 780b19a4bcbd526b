/** Milliseconds of a day. */
export const dayMs = 86_400_000

/** The last instant that a `Date` can hold, in epoch milliseconds: 100,000,000 days after the epoch. */
export const lastInstantMs = 8_640_000_000_000_000

/** The longest delay of a timer, in milliseconds: a wall clock that jumps, or a machine that sleeps, is noticed then. */
export const longestTimerMs = 60_000

/**
 * Entries of a memory that only saves time, such as the id of a name. It starts anew beyond this number, so that names
 * that users invent cost no memory of their own.
 */
export const rememberedValues = 1000

/** Items that one call of a user may name or ask for. */
export const mostItems = 10_000

/** Names, issues and lines that a message lists: the first of a long list say what went wrong. */
export const mostListed = 10

/** Characters of a text that is read as a duration, an instant or a time zone: some ways to read take quadratic time. */
export const longestReadable = 100

/** Errors and causes below one another, and members of members, that are followed. */
export const deepestCause = 5

/** Characters that are kept of the message of an error. A failing job repeats its error with each run. */
export const longestMessage = 2000
/** Characters that are kept of the stack of an error. */
export const longestStack = 4000
/** Errors that are kept of one failure, causes included. */
export const mostErrorRecords = 20
/** Characters of an error that is printed for a person. */
export const longestPrintedError = 10_000
/** Characters of a value that the message of an error shows. */
export const longestPrintedValue = 80
/** Bytes of JSON of a result, or of the data of a request. Each write of an occurrence carries it, and storages limit a record. */
export const mostJsonBytes = 131_072
/** Levels of a value that is kept as JSON. The parsers of some storages give up below. */
export const deepestJson = 100
/** Members of a value that are searched for secrets. A client of a database has thousands of them. */
export const mostMembersSearched = 1000

/** Characters of a name, a reason and an actor. */
export const longestName = 255

/** Poll interval on a storage that sends wake-ups, in milliseconds: the poll finds what a lost wake-up did not tell. */
export const toldPollMs = 5000
/** `deadAfter` at least, in heartbeats. With fewer, a few failed calls would look like a death. */
export const fewestHeartbeats = 4
/** `deadAfter` by default, in heartbeats. */
export const defaultDeadAfterHeartbeats = 6

/** Milliseconds between a wake-up and the look that it causes: a burst of changes causes one look. */
export const wakeDelayMs = 200

/** Jumps of a clock that a ticker remembers. */
export const rememberedJumps = 100

/** Milliseconds that a process which has ended may take to deliver its last output or message. */
export const outputGraceMs = 200
/** Requests of a handler in a child that wait for an answer of the node. */
export const mostOpenRequests = 1000
/** Log lines of a handler in a child that are sent each second, and twice as many at once: a loop would fill the node's memory. */
export const linesPerSecond = 500
/** Milliseconds between two messages about the progress of a handler in a child. */
export const progressEveryMs = 100

/** Turns of the event loop without a call, after which a virtual clock moves on: an answer may come two turns later. */
export const quietTurns = 3
/** Parts in which a virtual clock waits for real work, so that a busy machine stretches its patience. */
export const partsOfPatience = 10
/** Milliseconds after which a virtual clock without a timer looks for one again. */
export const idleLookMs = 10
