import { createScheduler, defineJob } from '@jobistemer/core'
import { redisStorage } from '@jobistemer/storage-redis'
import { startRedis } from '@jobistemer/test-servers'
import { cron } from '@jobistemer/ticker-cron'
import type { Suite } from '../suite.ts'
import { measureBullmqLateness, settled } from './bullmq-rounds.ts'

/** How late jobs start when many are due at once, next to BullMQ's job schedulers. */
export const latenessSuite: Suite = {
  name: 'lateness',
  title: 'Lateness of 1,000 jobs that are due every second',
  async run({ smoke }) {
    const count = smoke ? 20 : 1000
    const seconds = smoke ? 2 : 30
    const server = await startRedis({ config: { appendonly: 'yes' } })
    try {
      const theirs = await measureBullmqLateness(server, { count, seconds, concurrency: 100 })
      const theirsWide = await measureBullmqLateness(server, { count, seconds, concurrency: count })
      const ours = await measureLateness(server.url, { count, seconds, concurrency: 100 })
      const oursWide = await measureLateness(server.url, { count, seconds, concurrency: count })
      return {
        columns: ['', 'starts', 'p50', 'p99', 'largest'],
        rows: [
          row('jobistemer, 100 at a time', ours),
          row(`jobistemer, ${count} at a time`, oursWide),
          row('BullMQ, 100 at a time', theirs),
          row(`BullMQ, ${count} at a time`, theirsWide),
        ],
        notes: [
          `On one Redis, one node, ${seconds} s each. Lateness: from the scheduled instant to the handler's first line.`,
        ],
      }
    } finally {
      await server.stop()
    }
  },
}

async function measureLateness(
  url: string,
  options: { count: number; seconds: number; concurrency: number },
): Promise<readonly number[]> {
  const { count, seconds, concurrency } = options
  const storage = redisStorage({ url, prefix: `lateness-${concurrency}` })
  const lateness: number[] = []
  let measuring = false
  const schedule = cron('* * * * * *')
  const jobs = Array.from({ length: count }, (_, index) =>
    defineJob({
      name: `job-${index}`,
      schedule,
      tasks: [
        {
          name: 'work',
          run: async ({ scheduledAt }) => {
            if (measuring) lateness.push(Date.now() - scheduledAt.getTime())
          },
        },
      ],
    }),
  )
  const scheduler = createScheduler({ storage, jobs, maxConcurrentJobs: concurrency })
  await scheduler.start()
  await settled()
  measuring = true
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  measuring = false
  await scheduler.shutdown()
  await storage.close()
  return lateness
}

function row(name: string, lateness: readonly number[]): string[] {
  const sorted = [...lateness].sort((left, right) => left - right)
  const quantile = (share: number) =>
    `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0} ms`
  return [name, sorted.length.toLocaleString('en-US'), quantile(0.5), quantile(0.99), quantile(1)]
}
