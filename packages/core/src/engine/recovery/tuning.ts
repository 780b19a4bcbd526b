/** Entries that one recovery step stores for a job. Further runs follow in further steps. */
export const recoveryStep = 1000
/** Entries after which a call takes no further job: a storage in the event loop holds it meanwhile. */
export const enoughEntries: number = 2 * recoveryStep
/** Jobs whose missed slots are decided at once. */
export const decisionsAtOnce = 1000
/** Runs above which a decision counts as a large one. */
export const fewRuns = 20
/** Large decisions that are made at once: the storage stores the runs of one while the slots of the other are counted. */
export const largeDecisionsAtOnce = 2
/** Slots that are looked up together. */
export const slotsTogether = 50_000
/** Slots that are looked up together at least, once one has a record; and slots of a compressed run that are looked up singly. */
export const slotsPerLook = 100
