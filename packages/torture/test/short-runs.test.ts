import { describe, expect, it } from 'vitest'
import { printReport } from '../src/report/print-report.ts'
import { torture } from '../src/torture.ts'

const seed = process.env.JOBISTEMER_TORTURE_SEED ?? '20'

const timeout = 900_000

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

async function runWithFaultsOfServer(storage: string, options: { kills: number; seconds: number }) {
  const { breaks, lostAnswers, cuts, serverRestarts, jumps } = await run(storage, { ...options, clockSkew: 5 })
  for (const count of [breaks, lostAnswers, cuts, serverRestarts, jumps]) expect(count).toBeGreaterThan(0)
}

const withFaults = 'with killed servers, broken networks and clocks up to 5 minutes off'

// Most of a run is waiting: for deadlines, and for servers that are down. Two at a time leave nodes enough to start in.
describe.concurrent('after kill -9 at random moments, ledger and witness keep every promise', () => {
  describe('on SQLite and on DynamoDB Local', () => {
    it.sequential('25 kills on SQLite', { timeout }, async () => {
      const { attempts, reapedAsFailed, reapedToRetry } = await run('sqlite', { kills: 25, seconds: 10, clockSkew: 0 })
      expect(attempts.lost ?? 0).toBeGreaterThan(0)
      expect(reapedAsFailed + reapedToRetry).toBeGreaterThan(0)
    })

    it.sequential(`6 kills on DynamoDB Local, ${withFaults}`, { timeout }, async () => {
      await runWithFaultsOfServer('dynamodb', { kills: 6, seconds: 11 })
    })
  })

  describe('on Redis and PostgreSQL', () => {
    it.sequential(`20 kills on one server, ${withFaults}`, { timeout }, async () => {
      await runWithFaultsOfServer('redis', { kills: 20, seconds: 13 })
    })

    it.sequential(`8 kills on a cluster, ${withFaults}`, { timeout }, async () => {
      await runWithFaultsOfServer('redis-cluster', { kills: 8, seconds: 8 })
    })

    it.sequential(`12 kills on PostgreSQL, ${withFaults}`, { timeout }, async () => {
      await runWithFaultsOfServer('postgres', { kills: 12, seconds: 8 })
    })
  })
})
