/**
 * Maximum ms that the engine works in one turn of the event loop. The limit bounds the delay of timers, signals and sockets. A
 * further turn costs only microseconds.
 */
export const longestTurnMs = 5
/**
 * Maximum number of steps in one turn of the event loop. Needed for a virtual clock, which stands still while the engine works.
 */
export const mostStepsPerTurn = 50_000

/**
 * Minimum number of additions before a `RenewedMap` replaces its map. Copying this many entries costs less than the additions.
 */
export const leastAdditions = 64
