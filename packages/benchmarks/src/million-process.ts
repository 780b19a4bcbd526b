import { setTimeout as wait } from 'node:timers/promises'
import { type Clock, createScheduler, defineJob, silentLogger, systemClock } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { postgresStorage } from '@jobistemer/storage-postgres'
import { redisStorage } from '@jobistemer/storage-redis'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'

// One node of the benchmark of a million jobs, started with --expose-gc. Prints what it has measured as JSON.

/** What a process of the benchmark is told. */
export interface MillionOrder {
  readonly url: string
  /** `fill` stores the jobs; `watch` starts a node among them, and looks what it costs. */
  readonly does: 'fill' | 'watch'
  readonly count: number
  /** How often each job is due. */
  readonly everyMinutes: number
  /** Epoch milliseconds: nothing is due before. */
  readonly dueFrom: number
  /** By how much the clock of the node is ahead. */
  readonly aheadMs: number
  /** What is looked at begins so long after the start of the process, and takes so long. */
  readonly watchAfterMs: number
  readonly watchMs: number
}

/** What storing the jobs took. */
export interface Filled {
  readonly perSecond: number
}

/** What a node among them cost. */
export interface Watched {
  readonly startMs: number
  /** Of one core, over the time that was looked at. */
  readonly cpuPercent: number
  /** What the node holds beyond what the same process held before, after garbage collection. */
  readonly heapMegabytes: number
  /** Milliseconds from the slot to the first line of the handler. */
  readonly lateness: readonly number[]
}

const listLength = 10_000

const order = JSON.parse(process.argv[2] ?? '') as MillionOrder
// Each second as many are due as any other.
const phases = 60 * order.everyMinutes
const heapBefore = heapUsed()
const beganAt = performance.now()
const storage = openStorage(order.url)
// Nobody wants to wait until the first slots are due.
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
