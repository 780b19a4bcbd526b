/** What keeps a call from the storage. */
export interface Barrier {
  /** `away`: the storage is, for everybody. */
  readonly fault: 'away' | 'partitioned' | 'cut off'
  /** Resolves when the calls that hang fail; `null` where they fail at once. */
  readonly lifted: Promise<void> | null
}

/** Which calls of a node do not get through. */
export type CutCalls = 'all' | 'heartbeats' | 'others'
