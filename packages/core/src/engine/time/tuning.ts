/** Number of clock readings per measurement. The measurement uses the reading with the shortest call. */
export const readingsPerMeasurement = 3

/** Milliseconds for which the readings after a jump must agree before the engine adopts the new time. */
export const confirmMs = 15_000
