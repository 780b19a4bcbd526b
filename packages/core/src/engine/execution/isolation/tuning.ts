/** Milliseconds for which an idle child of a pool is kept. */
export const idleChildMs = 30_000
/** Milliseconds that a node which ends waits for the children that it has killed. */
export const killedGraceMs = 2000
/** Milliseconds without a word, after which a starter that was told to kill counts as stuck. */
export const obeyGraceMs = 5000
/** Characters of a line of output that is kept of a child that died. */
export const longestOutputLine = 200
