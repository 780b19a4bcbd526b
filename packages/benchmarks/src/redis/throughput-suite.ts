import { redisStorage } from '@jobistemer/storage-redis'
import { type RedisServer, startRedis } from '@jobistemer/test-servers'
import { runEngine } from '../engine-round.ts'
import { formatRate, median, type Suite } from '../suite.ts'
import { runBullmq } from './bullmq-rounds.ts'

/** Number of jobs that are due at each instant, unless `concurrency` is higher. Then `concurrency` jobs are due. */
const dueAtOnce = 500

const loads: readonly { readonly concurrency: number; readonly prefetch?: number }[] = [
  { concurrency: 1, prefetch: 0 },
  { concurrency: 1 },
  { concurrency: 10 },
  { concurrency: 100 },
  { concurrency: 1000 },
]

/** Measures one-task occurrences per second on Redis, compared with jobs of BullMQ on the same server. */
export const redisSuite: Suite = {
  name: 'redis',
  title: 'One-task occurrences per second on Redis, and jobs per second of BullMQ',
  async run({ smoke }) {
    const rounds = smoke ? 1 : 5
    const rows: string[][] = []
    for (const appendonly of ['no', 'yes'] as const) {
      const server = await startRedis({ config: { appendonly } })
      try {
        for (const { concurrency, prefetch } of appendonly === 'no' ? loads : [{ concurrency: 100 }]) {
          const due = smoke ? dueAtOnce / 50 : Math.max(concurrency, dueAtOnce)
          const jobs = smoke ? due : concurrency === 1 ? 10_000 : 50_000
          const { ours, theirs } = await alternate(server, {
            concurrency,
            prefetch,
            due,
            jobs,
            rounds,
            isSmoke: smoke,
          })
          rows.push([
            [
              `concurrency ${concurrency}`,
              ...(prefetch === undefined ? [] : [`prefetch ${prefetch}`]),
              ...(appendonly === 'no' ? [] : ['append-only file']),
            ].join(', '),
            formatRate(median(ours)),
            formatRate(median(theirs)),
            median(ours.map((rate, index) => rate / (theirs[index] ?? rate))).toFixed(2),
          ])
        }
      } finally {
        await server.stop()
      }
    }
    return {
      columns: ['', 'jobistemer', 'BullMQ', 'ratio'],
      rows,
      notes: [
        `Medians of ${rounds} rounds after a warm-up round; ratios are paired by round. Each round runs both on one server.`,
        `jobistemer: ${dueAtOnce} jobs (or the concurrency) due at each instant of a clock that moves on when all is done;`,
        'includes creation and end of each occurrence. BullMQ: a filled queue; only processing counts.',
        'With the default `prefetch` the node creates up to 100 due slots ahead. It never runs more handlers than the concurrency.',
        'The server has no persistence. Only in the last row it writes an append-only file and syncs it every second.',
      ],
    }
  },
}

async function alternate(
  server: RedisServer,
  options: {
    readonly concurrency: number
    readonly prefetch: number | undefined
    /** Number of jobs that are due at each instant. */
    readonly due: number
    readonly jobs: number
    readonly rounds: number
    /** Whether the first round is measured, after a warm-up of 1 s. If not, the first round is a warm-up. */
    readonly isSmoke: boolean
  },
): Promise<{ readonly ours: readonly number[]; readonly theirs: readonly number[] }> {
  const { concurrency, prefetch, due, jobs, rounds, isSmoke } = options
  // Silences BullMQ's warning, because the server intentionally has no persistence.
  const logger = { warn() {} }
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = isSmoke ? 1 : 0; round <= rounds; round++) {
    const bullmq = await runBullmq(server, { concurrency, jobs })
    const storage = redisStorage({
      url: server.url,
      prefix: `bench-${concurrency}-${prefetch ?? 'default'}-${round}`,
      logger,
    })
    const { perSecond } = await runEngine(storage, Math.ceil(jobs / due), {
      count: due,
      concurrency,
      prefetch,
      warmUpSeconds: isSmoke ? 1 : undefined,
    })
    await storage.close()
    if (round === 0) continue
    theirs.push(bullmq.perSecond)
    ours.push(perSecond)
  }
  return { ours, theirs }
}
