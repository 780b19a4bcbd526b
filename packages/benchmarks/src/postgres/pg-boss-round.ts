import { PgBoss } from 'pg-boss'

export interface QueueLoad {
  readonly url: string
  /** Name of a PostgreSQL schema that only this round uses. */
  readonly schema: string
  /** `count`: number of jobs. `width`: number of jobs that run at once. */
  readonly count: number
  readonly width: number
}

const queue = 'bench'
const jobsPerInsert = 1000

/**
 * Measures the jobs per second that pg-boss fetches and completes in batches from a filled queue. pg-boss does no
 * maintenance during the measurement. pg-boss keeps the finished jobs, as Jobistemer keeps finished occurrences.
 */
export async function runPgBoss({ url, schema, count, width }: QueueLoad): Promise<{ readonly perSecond: number }> {
  const boss = new PgBoss({ connectionString: url, schema, supervise: false, schedule: false })
  let failure: Error | undefined
  boss.on('error', (error) => {
    failure = error
  })
  await boss.start()
  try {
    await boss.createQueue(queue)
    for (let added = 0; added < count; added += jobsPerInsert) {
      const length = Math.min(jobsPerInsert, count - added)
      await boss.insert(
        queue,
        Array.from({ length }, () => ({ data: {} })),
      )
    }
    const startedAt = performance.now()
    for (let done = 0; done < count; ) {
      const jobs = await boss.fetch(queue, { batchSize: Math.min(width, count - done) })
      if (jobs.length === 0) throw new Error(`pg-boss returned only ${done} of ${count} jobs.`)
      await boss.complete(
        queue,
        jobs.map(({ id }) => id),
      )
      done += jobs.length
    }
    const perSecond = (count * 1000) / (performance.now() - startedAt)
    if (failure !== undefined) throw failure
    return { perSecond }
  } finally {
    await boss.stop({ graceful: false, close: true })
  }
}
