/** Milliseconds between two measurements of the storage's clock. */
export const measureEveryMs = 60_000

/** Readings per measurement. The one with the shortest call counts. */
export const readingsPerMeasurement = 3

/** Maximum drift of correct clocks between two readings, in ms. More means that a clock was set or the machine slept. */
export const clockToleranceMs = 1000

/** A clock that differs by more than this, in milliseconds, has jumped: the time is in doubt until the jump is confirmed. */
export const jumpMs = 5000

/** Milliseconds for which readings after a jump have to agree before the engine follows the clock. */
export const confirmMs = 15_000

/** The same, if the wall clock has not jumped and agrees with the time that was confirmed before. */
export const confirmAgainstWallMs = 60_000

/** Milliseconds for which a node does not follow its wall clock after peers have gone by the time before the jump. */
export const confirmAgainstOthersMs = 600_000

/** Milliseconds between two readings of a clock that is in doubt. */
export const readInDoubtMs = 1000

/** Minimum number of readings that have to agree, because two readings may share the same error. */
export const fewestReadings = 5
