import { startRedis } from '@jobistemer/test-servers'
import { quantile } from '../in-flight.ts'
import { formatRate, median, type Suite } from '../suite.ts'
import type { UnitCost } from './meter.ts'
import { type RequestLoad, type RequestRound, runAdds, runTriggers } from './request-rounds.ts'

const concurrency = 100
const width = 1000

/** Measures requested runs, compared with BullMQ's `add` on the same server. */
export const requestsSuite: Suite = {
  name: 'requests',
  title: 'Requests per second on Redis by `trigger`, and by `add` of BullMQ',
  async run({ smoke, rounds: wantedRounds = 5 }) {
    const rounds = smoke ? 1 : wantedRounds
    const load: RequestLoad = { count: smoke ? 20 : 50_000, width, concurrency, alone: smoke ? 5 : 1000 }
    const server = await startRedis({ config: { appendonly: 'no' } })
    const ours: RequestRound[] = []
    const theirs: RequestRound[] = []
    try {
      for (let round = smoke ? 1 : 0; round <= rounds; round++) {
        const bullmq = await runAdds(server, load)
        const jobistemer = await runTriggers(server, `requests-${round}`, load)
        // The first round is a warm-up and not measured.
        if (round === 0) continue
        theirs.push(bullmq)
        ours.push(jobistemer)
        // Prints each round at once, so that the user sees results even after stopping the benchmark early.
        console.error(`round ${round}: Jobistemer ${printResults(jobistemer)}; BullMQ ${printResults(bullmq)}`)
      }
    } finally {
      await server.stop()
    }
    const rate = (name: string, costOf: (round: RequestRound) => UnitCost) => {
      const perSecond = (round: RequestRound) => costOf(round).perSecond
      const us = (all: readonly RequestRound[], of: 'nodeUs' | 'serverUs') =>
        `${median(all.map((round) => costOf(round)[of])).toFixed(0)} µs`
      return [
        name,
        formatRate(median(ours.map(perSecond))),
        formatRate(median(theirs.map(perSecond))),
        ratio(ours.map(perSecond), theirs.map(perSecond)),
        us(ours, 'nodeUs'),
        us(ours, 'serverUs'),
        us(theirs, 'nodeUs'),
        us(theirs, 'serverUs'),
      ]
    }
    const latency = (name: string, share: number) => {
      const figureOf = ({ latencies }: RequestRound) => quantile(latencies, share)
      const shown = (all: readonly RequestRound[]) => `${median(all.map(figureOf)).toFixed(2)} ms`
      return [name, shown(ours), shown(theirs), ratio(ours.map(figureOf), theirs.map(figureOf))]
    }
    return {
      columns: ['', 'jobistemer', 'BullMQ', 'ratio', 'node', 'server', "BullMQ's node", 'its server'],
      rows: [
        rate('accepted', ({ accepted }) => accepted),
        rate('accepted and run', ({ run }) => run),
        latency('from call to handler, p50', 0.5),
        latency('from call to handler, p99', 0.99),
      ],
      notes: [
        `Medians of ${rounds} rounds after a warm-up round; ratios are paired by round. Each round runs both on one server.`,
        `${load.count.toLocaleString('en-US')} requests, ${width.toLocaleString('en-US')} of them under way at any time, one job of one task, ${concurrency} handlers at a time in the same process.`,
        'node, server: microseconds of processor time for each request.',
        'accepted: nothing runs, because the job is paused, and BullMQ has no worker. From call to handler: one at a time.',
      ],
    }
  },
}

function printResults({ accepted, run, latencies }: RequestRound): string {
  const shares = [0.5, 0.99].map((share) => quantile(latencies, share).toFixed(2))
  return `${formatRate(accepted.perSecond)} accepted, ${formatRate(run.perSecond)} run, ${shares.join(' and ')} ms`
}

function ratio(ours: readonly number[], theirs: readonly number[]): string {
  return median(ours.map((value, index) => value / (theirs[index] ?? value))).toFixed(2)
}
