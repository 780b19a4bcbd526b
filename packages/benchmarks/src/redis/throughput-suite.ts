import { redisStorage } from '@jobistemer/storage-redis'
import { startRedis } from '@jobistemer/test-servers'
import { runEngine } from '../engine-round.ts'
import { formatRate, median, type Suite } from '../suite.ts'
import { runBullmq } from './bullmq-rounds.ts'

/** Few enough to be worked off while slots wait for a place, see the engine's slot launcher. */
const dueAtOnce = 500

/** One-task occurrences through the whole engine on Redis, next to jobs through BullMQ on the same server. */
export const redisSuite: Suite = {
  name: 'redis',
  title: 'One-task occurrences per second on Redis, and jobs per second of BullMQ',
  async run({ smoke }) {
    const rounds = smoke ? 1 : 5
    const server = await startRedis({ config: { appendonly: 'yes' } })
    try {
      const rows: string[][] = []
      for (const concurrency of [1, 10, 100, 1000]) {
        const jobs = smoke ? concurrency * 2 : concurrency === 1 ? 10_000 : 50_000
        const ours: number[] = []
        const theirs: number[] = []
        // The first round warms up, and is not counted.
        for (let round = 0; round <= rounds; round++) {
          const bullmq = await runBullmq(server, { concurrency, jobs })
          const storage = redisStorage({ url: server.url, prefix: `bench-${concurrency}-${round}` })
          const count = Math.max(concurrency, dueAtOnce)
          const { perSecond } = await runEngine(storage, Math.ceil(jobs / count), { count, concurrency })
          await storage.close()
          if (round === 0 && !smoke) continue
          theirs.push(bullmq)
          ours.push(perSecond)
        }
        rows.push([
          `concurrency ${concurrency}`,
          formatRate(median(ours)),
          formatRate(median(theirs)),
          median(ours.map((rate, index) => rate / (theirs[index] ?? rate))).toFixed(2),
        ])
      }
      return {
        columns: ['', 'jobistemer', 'BullMQ', 'ratio'],
        rows,
        notes: [
          `Medians of ${rounds} rounds after one that is not counted; ratios are paired by round. Both on one server, in turn.`,
          `jobistemer: ${dueAtOnce} jobs (or the concurrency) due at each instant of a clock that moves on when all is done;`,
          'creation and end of each occurrence are counted. BullMQ: a queue that was filled before; only processing counts.',
        ],
      }
    } finally {
      await server.stop()
    }
  },
}
