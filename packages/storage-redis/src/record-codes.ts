/** Stored: added to the code of the kind if the details begin with the last slot of a span, as a number. */
export const spanBit = 8

// Codes of requests and answers, which are not stored.

/** In answers, in the place of the code of a state: there is no record. */
export const absentState = 255

export const itemKinds = { slot: 0, trigger: 1, replay: 2 } as const

/** Not 0, which stands for an item without a key. */
export const keyScopes = { waiting: 1, live: 2 } as const

export const settleChanges = { progress: 0, finish: 1, release: 2 } as const
