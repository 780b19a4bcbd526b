/** An obstacle between a call and the storage. */
export interface Barrier {
  /** `away`: the storage answers no node. */
  readonly fault: 'away' | 'partitioned' | 'cut off'
  /** Resolves when hanging calls fail; `null` if calls fail at once. */
  readonly lifted: Promise<void> | null
}

/** The calls of a node that do not reach the storage. */
export type CutCalls = 'all' | 'heartbeats' | 'others'
