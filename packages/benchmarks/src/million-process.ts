import { setTimeout as wait } from 'node:timers/promises'
import { type Clock, createScheduler, defineJob, silentLogger, systemClock } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { postgresStorage } from '@jobistemer/storage-postgres'
import { redisStorage } from '@jobistemer/storage-redis'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'

// A node of the benchmark with a million jobs, started with --expose-gc. Prints its measurements as JSON.

/** The settings of a process of the benchmark with a million jobs, as JSON in the first argument of the process. */
export interface MillionOrder {
  readonly url: string
  /** `fill` stores the jobs; `watch` starts a node on the storage with these jobs and measures the cost of the node. */
  readonly does: 'fill' | 'watch'
  readonly count: number
  /** Interval between the slots of each job, in minutes. */
  readonly everyMinutes: number
  /** Instant before which no slot is due, in epoch milliseconds. */
  readonly dueFrom: number
  /** Offset of the node's clock ahead of the machine's clock, in ms. */
  readonly aheadMs: number
  /**
   * `watchAfterMs`: time in ms from the start of the process to the measurement. `watchMs`: duration of the measurement in ms.
   */
  readonly watchAfterMs: number
  readonly watchMs: number
}

/** The rate at which a process stored the jobs. */
export interface Filled {
  readonly perSecond: number
}

/** The cost of a running node whose storage contains a million jobs. */
export interface Watched {
  readonly startMs: number
  /** CPU time as a percentage of one core, during the measurement. */
  readonly cpuPercent: number
  /** Heap that the node has added to the process, in MB, after garbage collection. */
  readonly heapMegabytes: number
  /** Time from each slot to the first line of its handler, in milliseconds. */
  readonly lateness: readonly number[]
}

const listLength = 10_000

const order = JSON.parse(process.argv[2] ?? '') as MillionOrder
// The jobs are spread over their period, so that equally many are due each second.
const phases = 60 * order.everyMinutes
const heapBefore = heapUsed()
const beganAt = performance.now()
const storage = openStorage(order.url)
// Sets the clock ahead to the first slots, so that the benchmark need not wait for them.
const clock: Clock = { ...systemClock, isAuthoritative: true, now: () => Date.now() + order.aheadMs }
const lateness: number[] = []
let isWatching = false
const scheduler = createScheduler({
  storage,
  clock,
  logger: silentLogger,
  maxConcurrentJobs: 1000,
  handlers: {
    bill: ({ scheduledAt }) => {
      if (isWatching) lateness.push(clock.now() - scheduledAt.getTime())
    },
  },
})
await scheduler.start()
const startMs = performance.now() - beganAt
const measured: Filled | Watched = order.does === 'fill' ? await fill() : await watch()
await scheduler.shutdown()
await storage.close()
process.stdout.write(JSON.stringify(measured))

async function fill(): Promise<Filled> {
  const { count, dueFrom } = order
  const filledFrom = performance.now()
  for (let start = 0; start < count; start += listLength) {
    const length = Math.min(listLength, count - start)
    await scheduler.add(Array.from({ length }, (_, index) => billing(start + index, dueFrom)))
  }
  return { perSecond: (count * 1000) / (performance.now() - filledFrom) }
}

function billing(index: number, start: number) {
  const phase = index % phases
  const schedule = cron(`${phase % 60} ${Math.floor(phase / 60)}/${order.everyMinutes} * * * *`, { start })
  const tasks = [{ name: 'bill', handler: 'bill', data: { tenant: `tenant-${index}` } }]
  return defineJob({ name: `bill-${index}`, schedule, tasks })
}

async function watch(): Promise<Watched> {
  const { watchAfterMs, watchMs } = order
  await wait(watchAfterMs - (performance.now() - beganAt))
  const { user, system } = process.cpuUsage()
  const watchedFrom = performance.now()
  isWatching = true
  await wait(watchMs)
  isWatching = false
  const used = process.cpuUsage({ user, system })
  const cpuPercent = (used.user + used.system) / 10 / (performance.now() - watchedFrom)
  return { startMs, cpuPercent, heapMegabytes: (heapUsed() - heapBefore) / 1e6, lateness }
}

function openStorage(url: string): Storage {
  if (url.startsWith('redis:')) return redisStorage({ url })
  return url.startsWith('postgres:') ? postgresStorage({ url }) : sqliteStorage({ file: url })
}

function heapUsed(): number {
  for (let turn = 0; turn < 4; turn++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}
