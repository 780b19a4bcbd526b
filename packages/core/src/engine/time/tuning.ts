/** Readings per measurement. The one with the shortest call counts. */
export const readingsPerMeasurement = 3

/**
 * Milliseconds for which readings after a jump have to agree before the engine follows the clock. Four times as long if the
 * wall clock has not jumped and contradicts them.
 */
export const confirmMs = 15_000

/** Milliseconds between two readings of a clock that is in doubt. */
export const readInDoubtMs = 1000

/** Minimum number of readings that have to agree, because two readings may share the same error. */
export const fewestReadings = 5
