import { expect, it } from 'vitest'
import type { Violation } from '../src/checker/violation.ts'
import { countFigures } from '../src/report/count-figures.ts'
import { printReport } from '../src/report/print-report.ts'
import type { TortureReport } from '../src/report/torture-report.ts'
import { exclusive, origin, Story, taskRun } from './support/story.ts'

function reportOf(story: Story, violations: readonly Violation[]): TortureReport {
  return {
    options: {
      storage: 'sqlite',
      nodes: 4,
      callers: 0,
      minutes: 1,
      kills: 7,
      seed: '42',
      clockSkew: 5,
      sabotage: null,
      loseWrites: false,
      keep: false,
    },
    violations,
    folder: violations.length === 0 ? null : '/recording',
    log: violations.length === 0 ? null : 'Error: why',
    figures: {
      kills: 7,
      blackouts: 1,
      outlived: 2,
      shortStops: 3,
      longStops: 4,
      shutdowns: 5,
      triggers: 6,
      replays: 0,
      cancels: 0,
      forcedCancels: 0,
      pauses: 0,
      jumps: 9,
      breaks: 10,
      lostAnswers: 11,
      cuts: 12,
      serverRestarts: 13,
      nodesForgotten: 14,
      writesLost: 15,
      repeatedRequests: 0,
      seconds: 70,
      secondsToRecover: 10,
      secondsToRest: 5,
      tornLines: 0,
      ...countFigures(story.run()),
    },
  }
}

it('the torture report counts the contents of ledger, witness file and history', () => {
  const story = new Story()
  story.plainSlot(1000, 'a.1')
  const rescued = story.slot(2000)
  story.record(rescued, {
    scheduledAt: origin + 2000,
    finishedAt: origin + 9000,
    token: 2,
    runs: [taskRun('lost', 'succeeded')],
  })
  story.reaped({ at: 8000, occurrence: rescued, life: 'b.1', action: 'retry' })
  const details = { span: { from: origin + 3000, to: origin + 5000, count: 3 } }
  story.record(story.slot(3000), {
    scheduledAt: origin + 3000,
    finishedAt: origin + 6000,
    token: 0,
    state: 'missed',
    details,
    runs: [],
  })
  story.driver(0, { event: 'spawned', life: 'a.1', node: 'a' })
  story.node(500, { event: 'crashing', life: 'b.1', point: 'after settle 1' })
  story.node(600, { event: 'storage-failed', life: 'b.1', operation: 'claim', code: 'STORAGE_BUSY' })
  story.node(700, { event: 'storage-failed', life: 'b.1', operation: 'settle', code: 'STORAGE_BUSY' })
  story.clocks = { ...story.clocks, source: 'storage' }
  story.measurement(800, 'c.1', 60)
  story.granted({ at: 900, occurrence: rescued, life: 'c.1', clockError: 40 })
  expect(countFigures(story.run())).toEqual({
    crashes: 1,
    lives: 1,
    occurrences: { completed: 2, missed: 1 },
    attempts: { succeeded: 2, lost: 1 },
    missedSlots: 3,
    recovered: 0,
    starts: 1,
    lateStarts: 0,
    reapedAsFailed: 0,
    reapedToRetry: 1,
    rescued: 1,
    rows: 0,
    nodesLost: 0,
    takeovers: { count: 0, medianMs: null, longestMs: null },
    refusedWrites: 0,
    storageFailures: { STORAGE_BUSY: 2 },
    clockErrors: { aheadMs: 40, behindMs: 0, toleranceMs: 62 },
  })
})

it('the torture report counts takeovers from dead nodes, and the time from each kill to its takeover', () => {
  const story = new Story()
  for (const [number, takenAt] of [3800, 4100, 5000].entries()) {
    const occurrence = story.slot(1000 * (number + 1))
    story.granted({ at: 1000, occurrence, life: 'a.1' })
    story.reaped({ at: takenAt, occurrence, life: 'b.1', action: 'retry', reason: 'node_lost' })
  }
  story.driver(2000, { event: 'killed', life: 'a.1' })
  const stopped = story.slot(9000)
  story.granted({ at: 9000, occurrence: stopped, life: 'c.1' })
  story.reaped({ at: 9900, occurrence: stopped, life: 'b.1', reason: 'node_lost' })
  const { nodesLost, takeovers } = countFigures(story.run())
  expect([nodesLost, takeovers]).toEqual([4, { count: 3, medianMs: 2100, longestMs: 3000 }])
})

it('the torture report of a run without violations ends with `No violation.`', () => {
  const text = printReport(reportOf(new Story(), []))
  expect(text).toContain('Torture of sqlite with 4 nodes, seed 42')
  expect(text).toContain('7 of the driver (1 times all nodes at once)')
  expect(text).toContain('10 times all connections broken, 11 times answers lost, 12 cuts')
  expect(text).toMatch(/No violation\.$/)
})

it('the torture report prints each rule’s first violations, the recording’s folder, and the command to repeat the run', () => {
  const many = Array.from({ length: 8 }, (_, number): Violation => {
    return { rule: 'overlap', job: exclusive.name, occurrence: null, message: `number ${number}` }
  })
  const one: Violation = { rule: 'convergence', job: null, occurrence: null, message: 'never' }
  const text = printReport(reportOf(new Story(), [...many, one]))
  expect(text).toContain('9 violations:')
  expect(text).toContain('overlap: exclusive: number 4\n  overlap: and 3 more\n  convergence: never')
  expect(text).toContain('/recording')
  expect(text).toMatch(
    /Again: npm run torture -- --storage sqlite --nodes 4 --minutes 1 --kills 7 --seed 42 --clock-skew 5$/,
  )
})
