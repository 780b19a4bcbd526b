/**
 * Maximum number of concurrent calls of one batcher. This number leaves out failed calls for which callers wait. If this many
 * such failed calls are being retried, the batcher sends no further call.
 */
export const callsAtOnce = 4
/**
 * Number of waiting items from which a batcher sends a further call while another call is in progress. Also the number of
 * waiting requests that make a burst.
 */
export const worthACall = 50

/**
 * Milliseconds until the first retry of a failed call, and until the first repeated look for the runs of this node's earlier
 * lives. Each further pause is twice as long.
 */
export const firstRetryMs = 100

/**
 * Number of the attempt from which a failed list is halved, about 300 ms after the first attempt. If the storage has accepted
 * no call since the first attempt, it is probably unavailable. Then only one attempt in 4 sends halves, because halves multiply
 * the failing calls. From this attempt on, a call of one item is retried alone.
 *
 * Also the number of failures after which an item that is retried alone is rejected, 3 s to 7 s after the first attempt. A
 * failure counts only if the storage answers a probe right afterwards. The default timeout of callers is 10 s, so a caller
 * receives the rejection and not a timeout.
 */
export const enoughFailures = 3

/**
 * Length in characters to which the engine cuts a foreign text: a storage's error, a progress message, or a line of a child's
 * output.
 */
export const longestShownText = 200
