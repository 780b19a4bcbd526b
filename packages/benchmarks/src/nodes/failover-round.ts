import type { ChildProcess } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import type { FailoverOrder, SlotStart } from './failover-process.ts'
import { startNode } from './start-node.ts'

const program = new URL('./failover-process.js', import.meta.url)

/** Observed time before the kill, in seconds. The lateness in this time is the reference for the lateness after the kill. */
const secondsBefore = 3

export interface FailoverOptions {
  readonly address: string
  readonly prefix: string
  readonly nodes: number
  readonly jobs: number
  readonly deadAfter: number | null
  /** Time in ms after the start of the nodes until all nodes know each other. */
  readonly settleMs: number
  /** Time of observation after the kill, in ms: longer than the time until other nodes declare the node dead. */
  readonly watchMs: number
}

export interface Failover {
  /** Number of jobs that were assigned to the killed node. */
  readonly orphans: number
  /** Maximum lateness in ms of the slots before the kill (`before`) and of the slots since the kill (`since`). */
  readonly before: number
  readonly since: number
  /** Number of slots that no node started. */
  readonly missing: number
}

/** Starts nodes with jobs that are due every second, and kills the node that most jobs are assigned to. */
export async function killFirst(options: FailoverOptions): Promise<Failover> {
  const { address, prefix, nodes, jobs, deadAfter, settleMs, watchMs } = options
  const starts: SlotStart[] = []
  const children = new Map<string, ChildProcess>()
  const hear = (message: unknown) => starts.push(...(message as readonly SlotStart[]))
  try {
    for (let index = 0; index < nodes; index++) {
      const order: FailoverOrder = { address, prefix, nodeId: `node ${index}`, jobs, deadAfter }
      children.set(order.nodeId, await startNode(program, order, hear))
    }
    await wait(settleMs)
    const begin = nextSecond()
    // The kill comes between two slots, because this benchmark does not measure interrupted runs.
    await wait(begin - Date.now() + secondsBefore * 1000 + 300 + Math.random() * 500)
    const { node, orphans } = firstForMost(starts.filter(({ slot }) => slot >= begin))
    const killedAt = Date.now()
    children.get(node)?.kill('SIGKILL')
    await wait(watchMs)
    const end = Date.now()
    // Gives nodes up to 5 s to start late slots that were due before `end`.
    await wait(Math.min(5000, watchMs))
    const seen = starts.filter(({ slot }) => slot >= begin && slot <= end)
    const slots = Math.floor(end / 1000) - begin / 1000 + 1
    const largest = (some: readonly SlotStart[]) => some.reduce((most, { lateness }) => Math.max(most, lateness), 0)
    return {
      orphans,
      before: largest(seen.filter(({ slot }) => slot <= killedAt)),
      since: largest(seen.filter(({ slot }) => slot > killedAt)),
      missing: slots * jobs - new Set(seen.map(({ job, slot }) => `${job} ${slot}`)).size,
    }
  } finally {
    for (const child of children.values()) child.kill('SIGKILL')
  }
}

function nextSecond(): number {
  return Math.ceil(Date.now() / 1000) * 1000
}

function firstForMost(starts: readonly SlotStart[]): { readonly node: string; readonly orphans: number } {
  const jobsOf = new Map<string, Set<string>>()
  for (const { node, job } of starts) jobsOf.set(node, (jobsOf.get(node) ?? new Set()).add(job))
  const [first] = [...jobsOf].sort(([, left], [, right]) => right.size - left.size)
  if (first === undefined)
    throw new Error('No node started a slot before the kill: the machine is too busy for this benchmark.')
  return { node: first[0], orphans: first[1].size }
}
