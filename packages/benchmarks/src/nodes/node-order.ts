/** The jobs that all nodes of a fleet run next, and the storage of these jobs. */
export interface NodeOrder {
  readonly address: string
  readonly prefix: string
  readonly jobs: number
  /** Instant from which the jobs are due every second, in epoch milliseconds; `null`: the jobs run only when triggered. */
  readonly dueFrom: number | null
}

/** What a node has done since it received its last `NodeOrder`. */
export interface NodeReport {
  readonly runs: number
  /** Time of the last run, in epoch milliseconds. */
  readonly lastRunAt: number
  /** Lateness of each run in milliseconds; empty for triggered runs. */
  readonly lateness: readonly number[]
  /** Number of storage calls, by method. */
  readonly calls: Readonly<Record<string, number>>
  /** Number of slots that the node tried to create, including slots that another node created first. */
  readonly asked: number
  /** CPU time of the node's process since its start, in ms. */
  readonly cpuMs: number
}

/**
 * A request to a node. `NodeOrder`: run other jobs. `report`: send a `NodeReport`. `hold`: answer, and then stop until
 * SIGCONT.
 */
export type NodeRequest = NodeOrder | 'report' | 'hold'

export function jobNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `job-${index}`)
}
