/** A fault that currently blocks calls between a node and the storage. */
export interface Barrier {
  /**
   * The kind of fault:
   * - `away`: the storage is unavailable to all nodes.
   * - `partitioned`: no call of the node reaches the storage.
   * - `cut off`: the calls of the node that a `CutCalls` names do not reach the storage.
   */
  readonly fault: 'away' | 'partitioned' | 'cut off'
  /** The blocked calls fail when this promise resolves. `null`: the blocked calls fail at once. */
  readonly lifted: Promise<void> | null
}

/** Which storage calls of a node fail or hang while the node is cut off. `others`: all calls except heartbeats. */
export type CutCalls = 'all' | 'heartbeats' | 'others'
