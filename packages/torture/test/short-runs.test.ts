import { describe, expect, it } from 'vitest'
import { printReport } from '../src/report/print-report.ts'
import { torture } from '../src/torture.ts'
import { byEffort, isThorough } from '../../workspace/test-effort.ts'

const seed = process.env.JOBISTEMER_TORTURE_SEED ?? '20'

const timeout = 900_000

/** Number of killed processes on each storage. */
const kills = {
  sqlite: byEffort(8, 3),
  redis: byEffort(8, 3),
  'redis-cluster': byEffort(4),
  postgres: byEffort(4),
  dynamodb: byEffort(3),
} as const

/** Duration of the fault phase in seconds: long enough for several faults of each kind. */
const seconds = {
  sqlite: byEffort(5, 3),
  redis: byEffort(6, 5),
  'redis-cluster': byEffort(6),
  postgres: byEffort(6, 5),
  dynamodb: byEffort(8),
} as const

/** Number of nodes. The third node is the first one without a configured name. */
const nodes = isThorough ? 4 : 3

async function run(
  storage: keyof typeof kills,
  clockSkew: number,
  { callers = 0, loseWrites = false }: { readonly callers?: number; readonly loseWrites?: boolean } = {},
) {
  const minutes = seconds[storage] / 60
  const options = {
    storage,
    nodes,
    callers,
    minutes,
    kills: kills[storage],
    seed,
    clockSkew,
    sabotage: null,
    loseWrites,
    keep: false,
  }
  const report = await torture(options)
  const text = printReport(report)
  console.log(text)
  expect(report.violations, text).toEqual([])
  const { figures } = report
  expect(figures.kills).toBeGreaterThanOrEqual(kills[storage])
  expect(figures.nodesForgotten).toBeGreaterThan(0)
  // Asserts that the run did work: handlers started, and occurrences completed.
  expect(figures.starts).toBeGreaterThan(20)
  expect(figures.occurrences.completed ?? 0).toBeGreaterThan(5)
  return figures
}

async function runWithFaultsOfServer(storage: keyof typeof kills) {
  const { breaks, lostAnswers, cuts, serverRestarts, jumps, rows } = await run(storage, 5)
  for (const count of [breaks, lostAnswers, cuts, serverRestarts, jumps]) expect(count).toBeGreaterThan(0)
  if (storage === 'postgres') expect(rows).toBeGreaterThan(5)
}

const withFaults = 'with killed servers, broken networks and clocks up to 5 minutes off'

/** Only `npm run test:extra` runs these cases: more storages and faults than `npm test` has, and long runs. */
const extra = isThorough ? it : undefined

// Runs mostly wait for deadlines and stopped servers, so two runs at the same time are possible. If more runs shared
// the processors, nodes would have too little time to start.
describe.concurrent('after kill -9 at random moments, ledger and witness show no violation', () => {
  describe('on SQLite and on DynamoDB Local', () => {
    it.sequential(`${kills.sqlite} kills on SQLite`, { timeout }, async () => {
      const { attempts, reapedAsFailed, reapedToRetry, rows } = await run('sqlite', 0)
      expect(rows).toBeGreaterThan(5)
      expect(attempts.lost ?? 0).toBeGreaterThan(0)
      expect(reapedAsFailed + reapedToRetry).toBeGreaterThan(0)
    })

    extra?.sequential(
      `${kills.sqlite} kills on SQLite, where three of four processes call runDue`,
      {
        timeout,
      },
      async () => {
        await run('sqlite', 0, { callers: 3 })
      },
    )

    extra?.sequential(`${kills.dynamodb} kills on DynamoDB Local, ${withFaults}`, { timeout }, async () => {
      await runWithFaultsOfServer('dynamodb')
    })
  })

  describe('on Redis and PostgreSQL', () => {
    it.sequential(`${kills.redis} kills on one server, ${withFaults}`, { timeout }, async () => {
      await runWithFaultsOfServer('redis')
    })

    extra?.sequential(
      `${kills.redis} kills on a Redis that loses its last acknowledged writes`,
      { timeout },
      async () => {
        expect((await run('redis', 0, { loseWrites: true })).writesLost).toBeGreaterThan(0)
      },
    )

    extra?.sequential(`${kills['redis-cluster']} kills on a cluster, ${withFaults}`, { timeout }, async () => {
      await runWithFaultsOfServer('redis-cluster')
    })

    extra?.sequential(`${kills.postgres} kills on PostgreSQL, ${withFaults}`, { timeout }, async () => {
      await runWithFaultsOfServer('postgres')
    })
  })
})
