import { setTimeout as sleep } from 'node:timers/promises'
import { createScheduler, defineJob, type Scheduler, silentLogger } from '@jobistemer/core'
import { redisStorage } from '@jobistemer/storage-redis'
import type { RedisServer } from '@jobistemer/test-servers'
import { cron } from '@jobistemer/ticker-cron'
import { Queue, Worker } from 'bullmq'
import { inFlight } from '../in-flight.ts'
import { Meter, type Server, type UnitCost, unitCost } from './meter.ts'

export interface RequestLoad {
  /** How many requests, and how many of them are under way at any time. */
  readonly count: number
  readonly width: number
  readonly concurrency: number
  /** How many requests one by one, on an idle node. */
  readonly alone: number
}

export interface RequestRound {
  /** Of requests that are stored; nothing runs meanwhile. */
  readonly accepted: UnitCost
  /** Of requests that are stored and run. */
  readonly run: UnitCost
  /** From each call to its handler's first line, in milliseconds; one at a time. */
  readonly latencies: readonly number[]
}

/** What asks for runs: called once to ask, with what is called when one runs. */
interface Asked {
  /** Asks for one run; resolves when the request is stored. */
  ask(): Promise<unknown>
  /** Is called when a handler begins. */
  onRun: () => void
}

/** The cost of so many requests, until all of them are stored or, where that is waited for, have run. */
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
    // Whatever follows a run is over by then.
    await sleep(3)
  }
  return latencies
}

/** Requests by `trigger`. */
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

/** Requests by BullMQ's `add`, with one worker in the same process where they are to run. */
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
