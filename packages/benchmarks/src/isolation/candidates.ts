import { createScheduler, defineJob, type Isolation, silentLogger } from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'
import type { RedisServer } from '@jobistemer/test-servers'
import { Queue, QueueEvents, Worker } from 'bullmq'
import { Piscina } from 'piscina'

const handler: URL = new URL('./handler.js', import.meta.url)

/** Runs a benchmark function in a thread or a process. */
export interface Runner {
  /** Runs the function once. Resolves when the function has ended. */
  attempt(): Promise<unknown>
  /** Removes the stored results of ended attempts. */
  forget?(): Promise<unknown>
  stop(): Promise<unknown>
}

export interface Candidate {
  readonly name: string
  start(): Promise<Runner>
}

export const misbehaviours = [
  'endless loops',
  'memory bombs',
  'calls of process.exit(0)',
  'unhandled rejections',
  'stopped processes',
] as const

/** Starts a node with an isolated task. The memory storage costs little, so the child causes most of the measured cost. */
export async function startJobistemer(
  task: { readonly isolation: Isolation; readonly pool: boolean },
  data: { readonly kind?: string } = {},
): Promise<Runner> {
  const job = defineJob({
    name: 'isolated',
    retention: { olderThan: 0, keep: 0 },
    tasks: [
      {
        name: 'work',
        module: handler,
        data,
        resourceLimits: { maxOldGenerationSizeMb: 32 },
        taskTimeout: data.kind === undefined ? 60_000 : 1000,
        killAfter: 100,
        ...task,
      },
    ],
  })
  const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], logger: silentLogger })
  await scheduler.start()
  const waiting = new Map<string, () => void>()
  scheduler.on('occurrence.finished', ({ occurrenceId }) => waiting.get(occurrenceId)?.())
  return {
    async attempt() {
      const { id } = await scheduler.trigger('isolated')
      await new Promise<void>((resolve) => {
        waiting.set(id, resolve)
      })
      waiting.delete(id)
    },
    async forget() {
      while ((await scheduler.prune({ olderThan: 0 })) > 0);
    },
    stop: () => scheduler.shutdown({ gracePeriod: 0 }),
  }
}

async function startPiscina(): Promise<Runner> {
  const pool = new Piscina({ filename: handler.href, minThreads: 1, maxThreads: 1 })
  return { attempt: () => pool.run({}), stop: () => pool.destroy() }
}

async function startBullmq({ port }: RedisServer, useWorkerThreads: boolean): Promise<Runner> {
  const connection = { host: '127.0.0.1', port }
  const name = `isolated-${useWorkerThreads}`
  const queue = new Queue(name, { connection })
  const events = new QueueEvents(name, { connection })
  const worker = new Worker(name, handler, { connection, useWorkerThreads })
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()])
  return {
    async attempt() {
      // Keeps 100 ended jobs, because `waitUntilFinished` may begin after the job's end.
      const job = await queue.add('work', {}, { removeOnComplete: 100, removeOnFail: 100 })
      await job.waitUntilFinished(events)
    },
    async stop() {
      await worker.close()
      await events.close()
      await queue.close()
    },
  }
}

/**
 * Returns the candidates that use no pool. The benchmark measures these candidates a second time, in a node with a large
 * heap.
 */
export function grownCandidates(): readonly Candidate[] {
  const isolations: readonly Isolation[] = ['thread', 'process']
  return isolations.map((isolation) => ({
    name: `jobistemer, a fresh ${isolation}`,
    start: () => startJobistemer({ isolation, pool: false }),
  }))
}

export function candidates(redis: RedisServer): readonly Candidate[] {
  const isolations: readonly Isolation[] = ['thread', 'process']
  return [
    ...isolations.map((isolation) => ({
      name: `jobistemer, a fresh ${isolation}`,
      start: () => startJobistemer({ isolation, pool: false }),
    })),
    ...isolations.map((isolation) => ({
      name: `jobistemer, a pool, ${isolation}`,
      start: () => startJobistemer({ isolation, pool: true }),
    })),
    { name: 'piscina, alone', start: startPiscina },
    { name: 'BullMQ, thread, kept', start: () => startBullmq(redis, true) },
    { name: 'BullMQ, process, kept', start: () => startBullmq(redis, false) },
  ]
}
