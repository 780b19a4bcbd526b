/** What a node process is told on its command line. */
export interface NodeOrder {
  readonly url: string
  readonly prefix: string
  readonly jobs: number
  /** Otherwise the jobs run only when they are triggered. */
  readonly isDueEverySecond: boolean
}

/** What a node process answers to `report`. */
export interface NodeReport {
  readonly runs: number
  /** Of each run, in milliseconds; empty for triggered ones. */
  readonly lateness: readonly number[]
}

export function jobNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `job-${index}`)
}
