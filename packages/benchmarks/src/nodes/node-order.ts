/** What the nodes of a fleet are to work at next. */
export interface NodeOrder {
  readonly address: string
  readonly prefix: string
  readonly jobs: number
  /** From this instant on, in epoch milliseconds, the jobs are due every second; `null`: only when they are triggered. */
  readonly dueFrom: number | null
}

/** What a node has done since its last order. */
export interface NodeReport {
  readonly runs: number
  /** Epoch milliseconds. */
  readonly lastRunAt: number
  /** Of each run, in milliseconds; empty for triggered ones. */
  readonly lateness: readonly number[]
  /** Of the storage, by method. */
  readonly calls: Readonly<Record<string, number>>
  /** How many slots it has asked for: more than are run when several nodes ask for the same. */
  readonly asked: number
  /** Of the whole process since its start. */
  readonly cpuMs: number
}

/** `hold`: the node answers, and stops itself until it gets a SIGCONT. */
export type NodeRequest = NodeOrder | 'report' | 'hold'

export function jobNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `job-${index}`)
}
