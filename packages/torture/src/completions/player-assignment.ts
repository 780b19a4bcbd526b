/** The settings of the play that a player process runs, as sent by its parent. A play is a run of `playCompletions`. */
export interface PlayerAssignment {
  readonly url: string
  readonly seed: number
  readonly occurrences: number
  readonly jobs: number
  readonly concurrency: number
  readonly delayMs: number
  readonly killEvery: number
  readonly sabotage: boolean
  /** The file in which a process that is about to kill itself stores the state of the play for the next process. */
  readonly remainsFile: string
  /** Whether an earlier process has stored the state of this run of `playCompletions` in `remainsFile`. */
  readonly goesOn: boolean
}
