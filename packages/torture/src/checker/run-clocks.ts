/** Whose time the engines of a run follow, and how wrong it was made. */
export interface RunClocks {
  /** `storage`: that of the storage. `process`: each that of its own process. */
  readonly source: 'storage' | 'process'
  /** By how much the clock of a process that follows its own was made to be ahead of the machine's, at most. */
  readonly aheadMs: number
  /** By how much it was made to be behind, at most. */
  readonly behindMs: number
  /**
   * How long a call can have been on its way when it took effect, because it was repeated: the time that it names is
   * that of its first sending.
   */
  readonly repeatMs: number
}
