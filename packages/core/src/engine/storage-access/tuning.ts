/**
 * Maximum number of calls of one batcher that are in progress at once. Failed calls with waiting callers do not count. They
 * have a separate limit of the same size. While that limit is reached, the batcher sends no further call.
 */
export const callsAtOnce = 4
/**
 * Number of waiting items from which a batcher sends a further call while another call is in progress. Also the number of
 * waiting requests that make a burst.
 */
export const worthACall = 50

/** Milliseconds until the first retry of a failed call. Each further pause is twice as long. */
export const firstRetryMs = 100

/**
 * A number with three uses:
 * - A batcher halves a list that fails, from the attempt with this number on. This attempt follows about 300 ms after the
 *   first. If the storage has accepted no call since the first attempt, it is probably unavailable. Then only one attempt in 4
 *   sends halves, because halves multiply the failing calls.
 * - From this attempt on, a batcher also retries an item alone that fails in a call of its own.
 * - A batcher retries an item alone until this number of failures, and then rejects it. This is 3 s to 7 s after the first
 *   attempt. A failure counts only if the storage answers a probe right afterwards. The default timeout of callers is 10 s, so
 *   a caller receives the rejection and not a timeout.
 */
export const enoughFailures = 3

/**
 * Length in characters to which the engine cuts a foreign text: a storage's error, a progress message, or a line of a child's
 * output.
 */
export const longestShownText = 200
