import { setTimeout as wait } from 'node:timers/promises'
import { jobId, occurrenceId } from '@jobistemer/core'
import type { CreateRequested } from '@jobistemer/core/storage'
import type { Fleet } from './fleet.ts'
import { jobNames, type NodeOrder } from './node-order.ts'
import { openStorage } from './open-storage.ts'
import { type ServerCpu, type Spent, spentUntil } from './spent.ts'

/** Estimated time in ms that a node needs to start, without the time to define its jobs. */
const startMs = 300
/** Estimated number of jobs that a starting node defines per ms. */
const jobsPerMs = 10

/** The address of a storage, and the function that reads its server's CPU time. */
export interface Site {
  readonly address: string
  readonly serverCpu: ServerCpu
}

/** Measures the cost of a fleet while its nodes run occurrences that already wait in the storage. */
export async function workOff(
  fleet: Fleet,
  { address, serverCpu }: Site,
  { occurrences, warmUp }: { readonly occurrences: number; readonly warmUp: number },
): Promise<{ readonly spent: Spent; readonly ms: number }> {
  const order: NodeOrder = { address, prefix: `backlog-${fleet.size}`, jobs: 100, dueFrom: null }
  await fleet.begin(order)
  const storage = await openStorage(address, order.prefix)
  const ids = jobNames(order.jobs).map((name) => jobId(name))
  const fill = async (from: number, to: number) => {
    const { maxBatch } = storage.capabilities
    for (let first = from; first < to; first += maxBatch) {
      const now = Date.now()
      const items = Array.from({ length: Math.min(maxBatch, to - first) }, (_, index): CreateRequested => {
        const job = ids[(first + index) % ids.length] ?? jobId('')
        return {
          kind: 'trigger',
          id: occurrenceId(job, first + index),
          jobId: job,
          scheduledAt: now,
          dueAt: now,
          jobVersion: 1,
          executionTimeoutMs: 60_000,
          details: {},
          runs: null,
        }
      })
      await storage.createOccurrences({ now, owner: { node: 'filler', incarnation: 'filler' }, items })
    }
  }
  await fill(0, warmUp)
  await untilRun(fleet, warmUp)
  let startedAt = 0
  const spent = await spentUntil(fleet, {
    serverCpu,
    async prepare() {
      await fleet.hold()
      await fill(warmUp, warmUp + occurrences)
      await storage.close()
    },
    async done() {
      startedAt = Date.now()
      fleet.release()
      await untilRun(fleet, warmUp + occurrences)
    },
  })
  return { spent, ms: spent.lastRunAt - startedAt }
}

/** Runs jobs that are due every second, and measures the cost of the fleet. */
export async function keepTime(
  fleet: Fleet,
  { address, serverCpu }: Site,
  options: {
    readonly prefix: string
    readonly jobs: number
    readonly seconds: number
    readonly settleMs: number
    /** Seconds of work before the measurement, in which each node compiles its code. */
    readonly warmUpSeconds: number
  },
): Promise<Spent> {
  const { prefix, jobs, seconds, settleMs, warmUpSeconds } = options
  // The estimated start-up time of the fleet, in ms. The jobs are due only after this time. Until a node knows the other
  // nodes, it tries to create the slots of all jobs.
  const startingMs = (startMs + jobs / jobsPerMs) * fleet.size
  const dueFrom = nextSecond(Date.now() + settleMs + startingMs)
  await fleet.begin({ address, prefix, jobs, dueFrom })
  // The measurement begins 0.5 s before slots are due, after the warm-up.
  await wait(Math.max(dueFrom, nextSecond(Date.now() + settleMs)) + 1500 + warmUpSeconds * 1000 - Date.now())
  return await rest(fleet, { serverCpu, seconds })
}

/** Measures the cost of a fleet for `seconds` seconds, while its nodes run their present jobs. */
export async function rest(
  fleet: Fleet,
  { serverCpu, seconds }: { readonly serverCpu: ServerCpu; readonly seconds: number },
): Promise<Spent> {
  return await spentUntil(fleet, { serverCpu, done: () => wait(seconds * 1000) })
}

function nextSecond(ms: number): number {
  return Math.ceil(ms / 1000) * 1000
}

async function untilRun(fleet: Fleet, occurrences: number): Promise<void> {
  for (;;) {
    const reports = await fleet.reports()
    if (reports.reduce((sum, { runs }) => sum + runs, 0) >= occurrences) return
    await wait(50)
  }
}
