import { EventEmitter } from 'node:events'
import { Logger, makeWorkerUtils, run, type WorkerEvents } from 'graphile-worker'
import type { QueueLoad } from './pg-boss-round.ts'

const jobsPerInsert = 1000
const longestWaitMs = 10_000
const silent = new Logger(() => () => {})

/**
 * Measures the jobs per second that Graphile Worker completes from a filled queue. With a width above 1, the worker fetches
 * and completes jobs in batches, as its guide recommends.
 */
export async function runGraphileWorker(load: QueueLoad): Promise<{ readonly perSecond: number }> {
  const { url, schema, count, width } = load
  const common = { connectionString: url, schema, logger: silent }
  const utils = await makeWorkerUtils(common)
  await utils.migrate()
  for (let added = 0; added < count; added += jobsPerInsert) {
    const length = Math.min(jobsPerInsert, count - added)
    await utils.addJobs(Array.from({ length }, () => ({ identifier: 'work', payload: {} })))
  }
  const events: WorkerEvents = new EventEmitter()
  let completed = 0
  const allCompleted = new Promise<void>((resolve) => {
    events.on('job:complete', () => {
      if (++completed === count) resolve()
    })
  })
  const batched = { localQueue: { size: width + 1 }, completeJobBatchDelay: 0 }
  const startedAt = performance.now()
  const runner = await run({
    ...common,
    events,
    noHandleSignals: true,
    preset: { worker: { concurrentJobs: width, ...(width > 1 && batched) } },
    taskList: { work: async () => {} },
  })
  await allCompleted
  await utils.withPgClient(async (client) => {
    // Waits until the queue is empty, because Graphile Worker emits the event of the last job before the job is removed.
    for (const limit = performance.now() + longestWaitMs; ; ) {
      const { rows } = await client.query(`SELECT count(*)::int AS left FROM "${schema}".jobs`)
      if (rows[0]?.left === 0) return
      if (performance.now() > limit) throw new Error(`Graphile Worker has not removed ${rows[0]?.left} jobs in time.`)
    }
  })
  const perSecond = (count * 1000) / (performance.now() - startedAt)
  await runner.stop()
  await utils.release()
  return { perSecond }
}
