import { type RedisServer, startRedis } from '@jobistemer/test-servers'
import { formatRate, isWanted, median, type Suite } from '../suite.ts'
import { type Backlog, workOff } from './backlog-rounds.ts'
import { runBullmq } from './bullmq-rounds.ts'
import type { UnitCost } from './meter.ts'

/**
 * Number of runs of the warm-up round. Node.js still compiles functions during the first 40,000 runs, and the code of the
 * engine is larger than that of the worker.
 */
const warmUpRuns = 50_000

/** Measures how fast a node runs a backlog, compared with BullMQ's worker on the same server. */
export const backlogSuite: Suite = {
  name: 'backlog',
  title: 'Occurrences per second that wait on Redis, and jobs per second of BullMQ',
  async run({ smoke, rounds: wantedRounds = 5, loads: wanted }) {
    const rounds = smoke ? 1 : wantedRounds
    const scale = (count: number) => (smoke ? count / 500 : count)
    const many = { length: scale(50_000), count: scale(50_000), overlapPolicy: 'allow', concurrency: 100 } as const
    const one = { jobs: 1, count: scale(10_000), overlapPolicy: 'queue', concurrency: 100 } as const
    const loads: readonly { readonly name: string; readonly backlog: Backlog; readonly bullmq: number }[] = [
      { name: 'many jobs', backlog: { ...many, jobs: scale(1000) }, bullmq: 100 },
      { name: 'one job that may overlap', backlog: { ...many, jobs: 1 }, bullmq: 100 },
      { name: 'queue of one job, short', backlog: { ...one, length: scale(10_000) }, bullmq: 1 },
      { name: 'queue of one job, long', backlog: { ...one, length: scale(100_000) }, bullmq: 1 },
    ]
    const server = await startRedis({ config: { appendonly: 'no' } })
    const rows: string[][] = []
    try {
      for (const { name, backlog, bullmq } of loads.filter(({ name }) => isWanted(wanted, name))) {
        rows.push([name, ...(await compare(server, backlog, bullmq, { rounds, warmsUp: !smoke }))])
      }
    } finally {
      await server.stop()
    }
    return {
      columns: ['', 'jobistemer', 'BullMQ', 'ratio', 'calls', 'node', 'server', "BullMQ's node", 'its server'],
      rows,
      notes: [
        `Medians of ${rounds} rounds after a warm-up round of ${warmUpRuns.toLocaleString('en-US')} runs; ratios are paired by round. Each round runs both on one server.`,
        'calls: calls of the storage for each occurrence. node, server: microseconds of processor time for each.',
        '100 handlers at a time; a queue of one job runs one after another, next to a BullMQ worker of concurrency 1.',
        `short and long: ${scale(10_000).toLocaleString('en-US')} and ${scale(100_000).toLocaleString('en-US')} wait, and the first ${scale(10_000).toLocaleString('en-US')} are measured.`,
      ],
    }
  },
}

async function compare(
  server: RedisServer,
  backlog: Backlog,
  bullmqConcurrency: number,
  { rounds, warmsUp }: { readonly rounds: number; readonly warmsUp: boolean },
): Promise<readonly string[]> {
  const ours: (UnitCost & { readonly callsPerOccurrence: number })[] = []
  const theirs: UnitCost[] = []
  for (let round = warmsUp ? 0 : 1; round <= rounds; round++) {
    const warmUp = { count: warmUpRuns, length: Math.max(warmUpRuns, backlog.length) }
    const load = round === 0 ? { ...backlog, ...warmUp } : backlog
    const bullmq = await runBullmq(server, { concurrency: bullmqConcurrency, jobs: load.count })
    const prefix = `backlog-${load.overlapPolicy}-${load.jobs}-${load.length}-${round}`
    const jobistemer = await workOff(server, prefix, load)
    // The first round is a warm-up and not measured.
    if (round === 0) continue
    theirs.push(bullmq)
    ours.push(jobistemer)
    // Prints each round at once, so that the user sees results even after stopping the benchmark early.
    const rates = [jobistemer, bullmq].map(({ perSecond }) => formatRate(perSecond))
    const what = `${load.jobs} jobs with ${load.length} waiting runs`
    console.error(`round ${round}, ${what}, runs per second: Jobistemer ${rates.join('; BullMQ ')}`)
  }
  const us = (costs: readonly UnitCost[], of: 'nodeUs' | 'serverUs') =>
    `${median(costs.map((cost) => cost[of])).toFixed(0)} µs`
  return [
    formatRate(median(ours.map(({ perSecond }) => perSecond))),
    formatRate(median(theirs.map(({ perSecond }) => perSecond))),
    median(ours.map(({ perSecond }, index) => perSecond / (theirs[index]?.perSecond ?? perSecond))).toFixed(2),
    median(ours.map(({ callsPerOccurrence }) => callsPerOccurrence)).toFixed(3),
    us(ours, 'nodeUs'),
    us(ours, 'serverUs'),
    us(theirs, 'nodeUs'),
    us(theirs, 'serverUs'),
  ]
}
