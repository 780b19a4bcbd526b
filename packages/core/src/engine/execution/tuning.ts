/** Milliseconds for which an idle child of a pool is kept. */
export const idleChildMs = 30_000
/** Milliseconds for which a node that ends waits for its killed children. */
export const killedGraceMs = 2000
/** Milliseconds without a message from the starter after a `kill` request, after which it counts as stuck. */
export const obeyGraceMs = 5000
/** Maximum length of a kept line of a child's output, in characters. */
export const longestOutputLine = 200
