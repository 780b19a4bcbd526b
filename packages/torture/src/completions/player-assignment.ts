/** The assignment of a playing process. */
export interface PlayerAssignment {
  readonly url: string
  readonly seed: number
  readonly occurrences: number
  readonly jobs: number
  readonly concurrency: number
  readonly delayMs: number
  readonly killEvery: number
  readonly sabotage: boolean
  /** The file in which the process stores the state for its successor before it kills itself. */
  readonly remainsFile: string
  /** Whether an earlier process has stored its state there. */
  readonly goesOn: boolean
}
