import { Queue, Worker } from 'bullmq'
import { settled } from '../lateness-round.ts'
import { Meter, type Server, type UnitCost, unitCost } from './meter.ts'

/**
 * Measures the cost of a BullMQ worker with default settings on a filled queue. BullMQ keeps the finished jobs, as
 * Jobistemer keeps finished occurrences.
 */
export async function runBullmq(server: Server, options: { concurrency: number; jobs: number }): Promise<UnitCost> {
  const { concurrency, jobs } = options
  const connection = { host: server.host, port: server.port }
  const name = `bench-${concurrency}-${jobs}`
  const queue = new Queue(name, { connection })
  const meter = new Meter(server)
  try {
    for (let added = 0; added < jobs; added += 1000) {
      const length = Math.min(1000, jobs - added)
      await queue.addBulk(Array.from({ length }, () => ({ name: 'work', data: {} })))
    }
    let done = 0
    let onDone: () => void = () => {}
    const finished = new Promise<void>((resolve) => {
      onDone = resolve
    })
    const worker = new Worker(name, async () => {}, { connection, concurrency, autorun: false })
    worker.on('completed', () => {
      if (++done === jobs) onDone()
    })
    const stop = await meter.start()
    const running = worker.run()
    await finished
    const cost = await stop()
    await worker.close()
    await running
    return unitCost(cost, jobs)
  } finally {
    meter.close()
    await queue.obliterate({ force: true })
    await queue.close()
  }
}

/** Measures how late BullMQ's job schedulers start `count` jobs that are due every second, in milliseconds. */
export async function measureBullmqLateness(
  server: Server,
  options: { count: number; seconds: number; concurrency: number },
): Promise<readonly number[]> {
  const { count, seconds, concurrency } = options
  const connection = { host: server.host, port: server.port }
  const queue = new Queue('lateness', { connection })
  const lateness: number[] = []
  let measuring = false
  const worker = new Worker(
    'lateness',
    async ({ opts }) => {
      // `prevMillis` is the instant for which the job scheduler created the job.
      if (measuring) lateness.push(Date.now() - (opts.prevMillis ?? Number.NaN))
    },
    { connection, concurrency },
  )
  try {
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        queue.upsertJobScheduler(`job-${index}`, { pattern: '* * * * * *' }, { name: 'work' }),
      ),
    )
    await settled()
    measuring = true
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    measuring = false
    return lateness
  } finally {
    // Pauses the worker before closing it. Otherwise the BullMQ jobs in progress would report that the worker's connection was
    // closed.
    await worker.pause()
    await worker.close()
    await queue.obliterate({ force: true })
    await queue.close()
  }
}
