/** So many calls of one kind are under way at most. */
const callsAtOnce = 4

/** What is worth a call of its own while another is under way; fewer than that wait and gather. */
const worthACall = 50

/**
 * Whether what has gathered goes out now. One call at a time makes the largest groups, but lets the storage stand idle
 * while the node works on the answer: where enough has gathered for another one, it goes out at once.
 */
export function mayCall(callsUnderWay: number, gathered: number, maxBatch: number): boolean {
  if (callsUnderWay === 0) return gathered > 0
  return callsUnderWay < callsAtOnce && gathered >= Math.min(worthACall, maxBatch)
}

/** Whether what goes out may do so in two calls. */
export function isWorthTwoCalls(gathered: number, maxBatch: number): boolean {
  return gathered >= 2 * Math.min(worthACall, maxBatch)
}
