/** The settings of a run of `playCompletions`, as its process receives them from its parent. */
export interface PlayerAssignment {
  readonly url: string
  readonly seed: number
  readonly occurrences: number
  readonly jobs: number
  readonly concurrency: number
  readonly delayMs: number
  readonly killEvery: number
  readonly sabotage: boolean
  /** The file in which a process stores the state of the run for its successor, before it kills itself. */
  readonly remainsFile: string
  /** Whether an earlier process has stored the state of this run of `playCompletions` in `remainsFile`. */
  readonly goesOn: boolean
}
