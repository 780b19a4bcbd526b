import { expect, it } from 'vitest'
import { printReport } from '../src/report/print-report.ts'
import { torture } from '../src/torture.ts'

it('100 × kill -9 at random moments on SQLite: ledger and witness keep every promise', {
  timeout: 400_000,
}, async () => {
  const seed = process.env.JOBISTEMER_TORTURE_SEED ?? '20'
  const options = {
    storage: 'sqlite',
    nodes: 4,
    minutes: 0.5,
    kills: 100,
    seed,
    clockSkew: 0,
    sabotage: null,
    keep: false,
  }
  const report = await torture(options)
  const text = printReport(report)
  console.log(text)
  expect(report.violations, text).toEqual([])
  const { kills, starts, occurrences, attempts, reapedAsFailed, reapedToRetry } = report.figures
  expect(kills).toBeGreaterThanOrEqual(100)
  // It was worth the trouble: much was started, lost, taken over and brought to its end.
  expect(starts).toBeGreaterThan(100)
  expect(occurrences.completed ?? 0).toBeGreaterThan(20)
  expect(attempts.lost ?? 0).toBeGreaterThan(0)
  expect(reapedAsFailed + reapedToRetry).toBeGreaterThan(0)
})
