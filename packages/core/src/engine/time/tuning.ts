/** Number of clock readings per measurement. The measurement uses the reading with the shortest call. */
export const readingsPerMeasurement = 3

/**
 * Milliseconds for which the readings after a jump must agree before the engine adopts the new time. The engine waits four
 * times as long if the wall clock contradicts a jump of the storage's clock. The wall clock does so if it has not jumped, and
 * does not show the new time.
 */
export const confirmMs = 15_000
