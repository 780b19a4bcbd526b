/**
 * Maximum ms that the engine works in one turn of the event loop. The limit bounds the delay of timers, signals and sockets.
 */
export const longestTurnMs = 5
