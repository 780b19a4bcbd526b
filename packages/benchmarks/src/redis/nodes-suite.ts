import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { jobId, occurrenceId } from '@jobistemer/core'
import type { CreateRequested } from '@jobistemer/core/storage'
import { redisStorage } from '@jobistemer/storage-redis'
import { type RedisServer, startRedis } from '@jobistemer/test-servers'
import { Redis } from 'ioredis'
import { formatRate, type Suite } from '../suite.ts'
import { settled } from './bullmq-rounds.ts'
import { jobNames, type NodeOrder, type NodeReport } from './node-jobs.ts'

const program = new URL('./node-process.js', import.meta.url)

/** Several node processes on one Redis. */
export const nodesSuite: Suite = {
  name: 'nodes',
  title: 'Several nodes on one Redis',
  async run({ smoke }) {
    const rows: string[][] = []
    for (const nodes of smoke ? [2] : [1, 2, 4, 8]) {
      const server = await startRedis({ config: { appendonly: 'yes' } })
      try {
        const backlog = await workOff(server, { nodes, occurrences: smoke ? 500 : 40_000 })
        const slots = await keepTime(server, { nodes, jobs: smoke ? 20 : 1000, seconds: smoke ? 2 : 15 })
        rows.push([
          `${nodes}`,
          formatRate(backlog.perSecond),
          backlog.callsPerOccurrence.toFixed(3),
          slots.callsPerOccurrence.toFixed(3),
          `${slots.p50} ms`,
          `${slots.p99} ms`,
        ])
      } finally {
        await server.stop()
      }
    }
    return {
      columns: ['nodes', 'backlog', 'calls / occurrence', 'slots: calls / occurrence', 'p50', 'p99'],
      rows,
      notes: [
        'backlog: occurrences that wait in the storage, worked off by all nodes, 100 at a time on each.',
        'slots: jobs that are due every second; for each job one node goes first. Lateness from the scheduled instant to the start.',
        'calls: scripts that Redis ran, polls and reads included.',
      ],
    }
  },
}

async function workOff(
  server: RedisServer,
  { nodes, occurrences }: { readonly nodes: number; readonly occurrences: number },
): Promise<{ readonly perSecond: number; readonly callsPerOccurrence: number }> {
  const order: NodeOrder = { url: server.url, prefix: 'backlog', jobs: 100, isDueEverySecond: false }
  const processes = await startNodes(nodes, order)
  const client = new Redis(server.url)
  const storage = redisStorage({ client, prefix: order.prefix })
  const owner = { node: 'filler', incarnation: 'filler' }
  const ids = jobNames(order.jobs).map((name) => jobId(name))
  const fill = async (from: number, to: number) => {
    for (let first = from; first < to; first += 500) {
      const now = Date.now()
      const items = Array.from({ length: Math.min(500, to - first) }, (_, index): CreateRequested => {
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
      await storage.createOccurrences({ now, owner, items })
    }
    await untilRun(processes, to)
  }
  // Processes that have just started run code that is not compiled yet.
  const warmUp = occurrences
  await fill(0, warmUp)
  const callsBefore = await scriptCalls(client)
  const startedAt = performance.now()
  await fill(warmUp, warmUp + occurrences)
  const elapsedMs = performance.now() - startedAt
  const calls = (await scriptCalls(client)) - callsBefore - Math.ceil(occurrences / 500)
  await stopNodes(processes)
  client.disconnect()
  return { perSecond: (occurrences * 1000) / elapsedMs, callsPerOccurrence: calls / occurrences }
}

async function keepTime(
  server: RedisServer,
  { nodes, jobs, seconds }: { readonly nodes: number; readonly jobs: number; readonly seconds: number },
): Promise<{ readonly callsPerOccurrence: number; readonly p50: number; readonly p99: number }> {
  const processes = await startNodes(nodes, { url: server.url, prefix: 'slots', jobs, isDueEverySecond: true })
  const client = new Redis(server.url)
  await settled()
  const before = await reportsOf(processes)
  const callsBefore = await scriptCalls(client)
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const calls = (await scriptCalls(client)) - callsBefore
  const after = await reportsOf(processes)
  await stopNodes(processes)
  client.disconnect()
  const lateness = after
    .flatMap((report, index) => report.lateness.slice(before[index]?.runs ?? 0))
    .sort((left, right) => left - right)
  const occurrences = seconds * jobs
  if (lateness.length !== occurrences) throw new Error(`${lateness.length} runs instead of ${occurrences}.`)
  return {
    callsPerOccurrence: calls / occurrences,
    p50: lateness[Math.floor(occurrences * 0.5)] ?? 0,
    p99: lateness[Math.floor(occurrences * 0.99)] ?? 0,
  }
}

async function startNodes(count: number, order: NodeOrder): Promise<readonly ChildProcess[]> {
  const processes = Array.from({ length: count }, () => fork(program, [JSON.stringify(order)]))
  await Promise.all(processes.map((child) => once(child, 'message')))
  return processes
}

async function stopNodes(processes: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    processes.map(async (child) => {
      const exited = once(child, 'exit')
      child.send('stop')
      await exited
    }),
  )
}

async function reportsOf(processes: readonly ChildProcess[]): Promise<readonly NodeReport[]> {
  return await Promise.all(
    processes.map(async (child) => {
      const answered = once(child, 'message')
      child.send('report')
      const [report] = await answered
      return report as NodeReport
    }),
  )
}

async function untilRun(processes: readonly ChildProcess[], occurrences: number): Promise<void> {
  for (;;) {
    const runs = (await reportsOf(processes)).reduce((sum, report) => sum + report.runs, 0)
    if (runs >= occurrences) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function scriptCalls(client: Redis): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)
}
