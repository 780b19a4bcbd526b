import { expect, it } from 'vitest'
import { printReport } from '../src/report/print-report.ts'
import { torture } from '../src/torture.ts'

const seed = process.env.JOBISTEMER_TORTURE_SEED ?? '20'

async function run(storage: string, options: { kills: number; seconds: number; clockSkew: number }) {
  const { kills, seconds, clockSkew } = options
  const minutes = seconds / 60
  const report = await torture({ storage, nodes: 4, minutes, kills, seed, clockSkew, sabotage: null, keep: false })
  const text = printReport(report)
  console.log(text)
  expect(report.violations, text).toEqual([])
  const { figures } = report
  expect(figures.kills).toBeGreaterThanOrEqual(kills)
  // It was worth the trouble: there was work under way, and it went on.
  expect(figures.starts).toBeGreaterThan(20)
  expect(figures.occurrences.completed ?? 0).toBeGreaterThan(5)
  return figures
}

it('25 × kill -9 at random moments on SQLite: ledger and witness keep every promise', {
  timeout: 900_000,
}, async () => {
  const { attempts, reapedAsFailed, reapedToRetry } = await run('sqlite', { kills: 25, seconds: 10, clockSkew: 0 })
  expect(attempts.lost ?? 0).toBeGreaterThan(0)
  expect(reapedAsFailed + reapedToRetry).toBeGreaterThan(0)
})

it.each([
  ['Redis', 'redis', { kills: 20, seconds: 13, clockSkew: 5 }],
  ['a Redis Cluster', 'redis-cluster', { kills: 8, seconds: 8, clockSkew: 5 }],
  ['DynamoDB Local', 'dynamodb', { kills: 6, seconds: 11, clockSkew: 5 }],
])(
  'the same on %s, with killed servers, broken networks and clocks up to 5 minutes off',
  {
    timeout: 900_000,
  },
  async (_, storage, options) => {
    const { breaks, lostAnswers, cuts, serverRestarts, jumps } = await run(storage, options)
    for (const count of [breaks, lostAnswers, cuts, serverRestarts, jumps]) expect(count).toBeGreaterThan(0)
  },
)
