import { setTimeout as wait } from 'node:timers/promises'
import { type Clock, createScheduler, defineJob, silentLogger, systemClock } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { postgresStorage } from '@jobistemer/storage-postgres'
import { redisStorage } from '@jobistemer/storage-redis'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'

// One node of the benchmark of a million jobs, started with --expose-gc. Prints its measurements as JSON.

/** The order for a process of the benchmark. */
export interface MillionOrder {
  readonly url: string
  /** `fill` stores the jobs; `watch` starts a node among them and measures its cost. */
  readonly does: 'fill' | 'watch'
  readonly count: number
  /** Period of each job, in minutes. */
  readonly everyMinutes: number
  /** Epoch milliseconds: no slot is due before. */
  readonly dueFrom: number
  /** Offset of the node's clock ahead of the machine's. */
  readonly aheadMs: number
  /** The measurement begins `watchAfterMs` after the start of the process, and takes `watchMs`. */
  readonly watchAfterMs: number
  readonly watchMs: number
}

/** The cost of storing the jobs. */
export interface Filled {
  readonly perSecond: number
}

/** The cost of a node among them. */
export interface Watched {
  readonly startMs: number
  /** CPU of one core during the measurement. */
  readonly cpuPercent: number
  /** Heap of the node after garbage collection, without the heap of the process before its start. */
  readonly heapMegabytes: number
  /** Milliseconds from the slot to the first line of the handler. */
  readonly lateness: readonly number[]
}

const listLength = 10_000

const order = JSON.parse(process.argv[2] ?? '') as MillionOrder
// The same number of jobs is due each second.
const phases = 60 * order.everyMinutes
const heapBefore = heapUsed()
const beganAt = performance.now()
const storage = openStorage(order.url)
// The clock is ahead, so that the benchmark does not wait for the first slots.
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
