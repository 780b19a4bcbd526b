/** The calls of the protocol that a scheduler waits for. */
export const storageOperations = [
  'saveJobs',
  'createOccurrences',
  'claim',
  'settle',
  'cancel',
  'reap',
  'get',
  'listJobs',
  'listOccurrences',
  'prune',
] as const

export type StorageOperation = (typeof storageOperations)[number]

/** A call without its types: what stands between a scheduler and its storage treats all calls alike. */
export type UntypedCall = (request: never) => Promise<unknown>
