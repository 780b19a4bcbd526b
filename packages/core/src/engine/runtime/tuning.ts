/**
 * Maximum ms of the engine's work in one turn of the event loop. This bounds the delay of timers, signals and sockets. A
 * further turn costs only microseconds.
 */
export const longestTurnMs = 5
/** Maximum number of steps in one turn. It takes effect with a virtual clock, which stands still while the engine works. */
export const mostStepsPerTurn = 50_000

/**
 * Interval in ms of the checks for a blocked event loop, and the least delay that is reported. It is far below `deadAfter`,
 * after which peers declare a silent node dead.
 */
export const blockedLookMs = 1000

/** Minimum number of additions before a `RenewedMap` is replaced: copying so few entries costs less than an addition each. */
export const leastAdditions = 64
