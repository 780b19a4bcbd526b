/** What a process that plays is told. */
export interface PlayerAssignment {
  readonly url: string
  readonly seed: number
  readonly occurrences: number
  readonly jobs: number
  readonly concurrency: number
  readonly delayMs: number
  readonly killEvery: number
  readonly sabotage: boolean
  /** Where the process leaves what the next one has to know, before it kills itself. */
  readonly remainsFile: string
  /** Whether a process has left something there. */
  readonly goesOn: boolean
}
