import { redisStorage } from '@jobistemer/storage-redis'
import { startRedis } from '@jobistemer/test-servers'
import { latenessRow, measureLateness } from '../lateness-round.ts'
import type { Suite } from '../suite.ts'
import { measureBullmqLateness } from './bullmq-rounds.ts'

/** Measures how late jobs start when 1,000 jobs are due at the same instant, compared with BullMQ's job schedulers. */
export const latenessSuite: Suite = {
  name: 'lateness',
  title: 'Lateness of 1,000 jobs that are due every second',
  async run({ smoke }) {
    const count = smoke ? 5 : 1000
    const seconds = smoke ? 2 : 30
    const server = await startRedis({ config: { appendonly: 'yes' } })
    try {
      const theirs = await measureBullmqLateness(server, { count, seconds, concurrency: 100 })
      const theirsWide = await measureBullmqLateness(server, { count, seconds, concurrency: count })
      const open = (prefix: string) => redisStorage({ url: server.url, prefix })
      const ours = await measureLateness(open('narrow'), { count, seconds, concurrency: 100 })
      const oursWide = await measureLateness(open('wide'), { count, seconds, concurrency: count })
      return {
        columns: ['', 'starts', 'p50', 'p99', 'largest'],
        rows: [
          latenessRow('jobistemer, 100 at a time', ours),
          latenessRow(`jobistemer, ${count} at a time`, oursWide),
          latenessRow('BullMQ, 100 at a time', theirs),
          latenessRow(`BullMQ, ${count} at a time`, theirsWide),
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
