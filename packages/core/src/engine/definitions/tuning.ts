/** Milliseconds by which clocks of nodes may differ where the storage has none. A watermark farther ahead is a clock's error. */
export const ordinaryClockErrorMs = 60_000
/** Overlap of a look for changes with the previous look, in milliseconds: clocks of nodes differ, and writes take time. */
export const clockMarginMs = 5000
/** Overlap of a far look, in milliseconds: finds the changes of a node whose clock is wrong. */
export const farClockMarginMs = 600_000
/** One of so many looks for changes is a far look. */
export const looksPerFarLook = 100

/** Milliseconds after which a job is loaded again whose slot the storage rejected, or whose schedule or definition failed. */
export const suspendedMs = 60_000
/** Milliseconds between two log lines about a job that skips slots all the time. */
export const skippedLineMs = 60_000
/** Milliseconds that the node which began an update has to cancel the waiting occurrences; then another node does it. */
export const updatePatienceMs = 300_000
/** Jobs whose warning is remembered. Beyond them, a warning may be repeated. */
export const rememberedWarnings = 10_000

/** Milliseconds that an acknowledged request is remembered. A replica is seconds behind; a run that ended later may be pruned. */
export const rememberedRequestMs = 600_000
/** Runs that one search for the last success compares: a run that was scheduled earlier may have ended later. */
export const runsPerSuccessSearch = 10

/** Heads that one look reads at most, to see that the storage still has them. A storage that lost all jobs lacks each. */
export const headsPerLook = 20
/** Milliseconds in which all heads of a node with few jobs are read once: an idle node reads nothing else as often. */
export const headRoundMs = 60_000

/** A stored job that is due within this time, in milliseconds, is held at once: the look for due jobs may come too late. */
export const soonMs = 4000
/** Jobs that may be held because they are due, as a multiple of those that a node may hold. */
export const dueFactor = 4
/** Jobs that may be held because they are due, at least. */
export const fewestDue = 1000

/** Jobs that one call saves or removes, and occurrences that it cancels: some milliseconds of the storage's time. */
export const changesAtOnce = 250
