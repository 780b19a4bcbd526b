/** So many calls of one kind are under way at most. */
export const callsAtOnce = 4

/** So many items are worth a call of their own while another is under way. */
export const worthACall = 50

/**
 * Whether what has gathered goes out now. While a call is under way more gathers, and leaves together, until there is
 * `enough` of it for a further call: then the storage works on one while the node works on the answer to another.
 */
export function mayCall(callsUnderWay: number, gathered: number, enough: number): boolean {
  if (callsUnderWay === 0) return gathered > 0
  return callsUnderWay < callsAtOnce && gathered >= enough
}
