import { setTimeout as sleep } from 'node:timers/promises'
import { createScheduler, defineJob, type Scheduler, silentLogger } from '@jobistemer/core'
import { redisStorage } from '@jobistemer/storage-redis'
import type { RedisServer } from '@jobistemer/test-servers'
import { cron } from '@jobistemer/ticker-cron'
import { Queue, Worker } from 'bullmq'
import { inFlight } from '../in-flight.ts'
import { Meter, type Server, type UnitCost, unitCost } from './meter.ts'

export interface RequestLoad {
  /** `count`: number of requests. `width`: number of requests that are in progress at once. */
  readonly count: number
  readonly width: number
  readonly concurrency: number
  /** Number of requests that are sent one after the other to an idle node. */
  readonly alone: number
}

export interface RequestRound {
  /** Cost of a request that is stored while no node runs it. */
  readonly accepted: UnitCost
  /** Cost of a request that is stored and run. */
  readonly run: UnitCost
  /** Milliseconds from each request to the first line of its handler, one request at a time. */
  readonly latencies: readonly number[]
}

/** Requests runs of one job. The handler of the job calls `onRun` when a run starts. */
interface Asked {
  /** Requests one run. Resolves when the request is stored. */
  ask(): Promise<unknown>
  /** Callback that the handler calls when it starts. */
  onRun: () => void
}

/** Sends `count` requests, and measures the cost until all are stored. With `waits`, measures until all runs have begun. */
async function costOf(meter: Meter, asked: Asked, { count, width }: RequestLoad, waits: boolean): Promise<UnitCost> {
  let ran = 0
  const allRan = new Promise<void>((resolve) => {
    asked.onRun = () => {
      if (++ran === count) resolve()
    }
  })
  const stop = await meter.start()
  await inFlight({ count, width }, () => asked.ask())
  if (waits) await allRan
  return unitCost(await stop(), count)
}

async function latenciesOf(asked: Asked, { alone }: RequestLoad): Promise<readonly number[]> {
  const latencies: number[] = []
  for (let index = 0; index < alone; index++) {
    const began = new Promise<void>((resolve) => {
      asked.onRun = resolve
    })
    const askedAt = performance.now()
    const asking = asked.ask()
    await began
    latencies.push(performance.now() - askedAt)
    await asking
    // Lets the node finish its work for this run before the next request.
    await sleep(3)
  }
  return latencies
}

/** Measures the cost and the latency of runs that the benchmark requests by `trigger`. */
export async function runTriggers(server: RedisServer, prefix: string, load: RequestLoad): Promise<RequestRound> {
  const storage = redisStorage({ url: server.url, prefix, logger: { warn() {} } })
  const meter = new Meter(server)
  const node = await startNode(storage, load)
  try {
    await node.scheduler.pause('asked')
    const accepted = await costOf(meter, node.asked, load, false)
    await node.scheduler.remove('asked')
    await node.addJob()
    const run = await costOf(meter, node.asked, load, true)
    const latencies = await latenciesOf(node.asked, load)
    return { accepted, run, latencies }
  } finally {
    meter.close()
    await node.scheduler.shutdown()
    await storage.close()
  }
}

async function startNode(
  storage: ReturnType<typeof redisStorage>,
  { concurrency }: RequestLoad,
): Promise<{ scheduler: Scheduler; asked: Asked; addJob: () => Promise<void> }> {
  const scheduler = createScheduler({ storage, maxConcurrentJobs: concurrency, logger: silentLogger })
  const asked: Asked = { ask: () => scheduler.trigger('asked'), onRun: () => undefined }
  const addJob = () =>
    scheduler.add(
      defineJob({
        name: 'asked',
        schedule: cron('0 0 1 1 *'),
        overlapPolicy: 'allow',
        tasks: [{ name: 'work', run: async () => asked.onRun() }],
      }),
    )
  await scheduler.start()
  await addJob()
  return { scheduler, asked, addJob }
}

/**
 * Measures the cost and the latency of jobs that the benchmark adds by BullMQ's `add`. A worker in the same process runs the
 * added jobs.
 */
export async function runAdds({ host, port }: Server, load: RequestLoad): Promise<RequestRound> {
  const connection = { host, port }
  const meter = new Meter(connection)
  const queue = new Queue('asked', { connection })
  const asked: Asked = { ask: () => queue.add('work', {}), onRun: () => undefined }
  try {
    const accepted = await costOf(meter, asked, load, false)
    await queue.obliterate({ force: true })
    const worker = new Worker('asked', async () => asked.onRun(), { connection, concurrency: load.concurrency })
    await worker.waitUntilReady()
    try {
      const run = await costOf(meter, asked, load, true)
      return { accepted, run, latencies: await latenciesOf(asked, load) }
    } finally {
      await worker.close()
    }
  } finally {
    meter.close()
    await queue.obliterate({ force: true })
    await queue.close()
  }
}
