/** The source of the engines' time, and the maximum errors of the processes' clocks. */
export interface RunClocks {
  /** `storage`: all engines use the storage's clock. `process`: each engine uses the clock of its process. */
  readonly source: 'storage' | 'process'
  /** How far the clock of any process was ahead of the machine's clock at most, in ms. */
  readonly aheadMs: number
  /** How far the clock of any process was behind the machine's clock at most, in ms. */
  readonly behindMs: number
  /**
   * Maximum time for which an engine repeats a call until the call takes effect, in ms. A repeated call contains the
   * time of its first sending.
   */
  readonly repeatMs: number
}
