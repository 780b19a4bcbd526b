/**
 * Maximum number of concurrent calls of one batcher. Calls that are being retried for waiting callers are counted apart, up
 * to the same maximum before further calls are held back.
 */
export const callsAtOnce = 4
/** Number of items from which a batcher sends a further call while another call is in progress. As many requests are a burst. */
export const worthACall = 50

/** Milliseconds until the first repetition of a failed call. Each further pause is twice as long. */
export const firstRetryMs = 100
/** Maximum pause between two attempts of a call, in ms. A storage that answers again is noticed within this time. */
export const longestRetryMs = 5000

/**
 * Number of the attempt from which a failed list is halved: after 300 ms. If the storage has accepted no call since the first
 * attempt, it is probably unavailable, and only one attempt in 4 sends halves, because halves multiply the failing calls. Also
 * the number of failures of an item that is sent alone, after which it is rejected: after 3 s to 7 s, because callers have a
 * timeout. A failure counts only if the storage answers a probe right afterwards.
 */
export const enoughFailures = 3

/**
 * Maximum characters of a text of others that the engine shows: of a storage's error in the message of a timeout, of a progress
 * message, and of a line of a child's output.
 */
export const longestShownText = 200
