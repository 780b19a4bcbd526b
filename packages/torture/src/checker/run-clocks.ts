/** The source of the engines' time, and the maximum errors of the clocks. */
export interface RunClocks {
  /** `storage`: all engines follow the storage's clock. `process`: each engine follows its process's clock. */
  readonly source: 'storage' | 'process'
  /** Maximum that a process's own clock was set ahead of the machine's. */
  readonly aheadMs: number
  /** Maximum that it was set behind. */
  readonly behindMs: number
  /** Maximum time between the first sending of a repeated call and its effect. The call names the time of its first sending. */
  readonly repeatMs: number
}
