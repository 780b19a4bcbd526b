/** The next work of the nodes of a fleet. */
export interface NodeOrder {
  readonly address: string
  readonly prefix: string
  readonly jobs: number
  /** Epoch milliseconds from which the jobs are due every second; `null`: they only run when triggered. */
  readonly dueFrom: number | null
}

/** The work of a node since its last order. */
export interface NodeReport {
  readonly runs: number
  /** Epoch milliseconds. */
  readonly lastRunAt: number
  /** Lateness of each run, in milliseconds; empty for triggered runs. */
  readonly lateness: readonly number[]
  /** Number of storage calls, by method. */
  readonly calls: Readonly<Record<string, number>>
  /** Number of slots that the node tried to create: higher than its runs if several nodes create the same slots. */
  readonly asked: number
  /** CPU time of the whole process since its start. */
  readonly cpuMs: number
}

/** `hold`: the node answers, and stops itself until it gets a SIGCONT. */
export type NodeRequest = NodeOrder | 'report' | 'hold'

export function jobNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `job-${index}`)
}
