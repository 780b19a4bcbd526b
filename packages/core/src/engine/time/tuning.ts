/** Milliseconds between two measurements of the storage's clock. */
export const measureEveryMs = 60_000
/** Readings of one measurement, of which the one with the shortest call counts. */
export const readingsPerMeasurement = 3
/** Milliseconds by which right clocks differ at most between two looks. More means that a clock was set, or the machine slept. */
export const clockToleranceMs = 1000
/** A clock that differs by more than this, in milliseconds, has jumped: the time is in doubt until the jump is confirmed. */
export const jumpMs = 5000
/** Milliseconds for which a jump has to hold before it is followed. */
export const confirmMs = 15_000
/** The same, if the wall clock has not jumped and agrees with the time that was confirmed before. */
export const confirmAgainstWallMs = 60_000
/** Milliseconds for which a wall clock is not followed after other nodes went on by the time that it had before. */
export const confirmAgainstOthersMs = 600_000
/** Milliseconds between two readings of a clock that is in doubt. */
export const readInDoubtMs = 1000
/** Readings that have to agree. Two may share one error; five over the whole time are no error. */
export const fewestReadings = 5
