/** A fault that currently blocks calls between a node and the storage. */
export interface Barrier {
  /** The fault that causes the barrier. `away`: the storage is unavailable to all nodes. */
  readonly fault: 'away' | 'partitioned' | 'cut off'
  /** The blocked calls fail when this promise resolves. `null`: the blocked calls fail at once. */
  readonly lifted: Promise<void> | null
}

/** Which storage calls of a node fail or hang during a partition. */
export type CutCalls = 'all' | 'heartbeats' | 'others'
