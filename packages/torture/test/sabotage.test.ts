import { rmSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Rule } from '../src/checker/violation.ts'
import type { FaultCounts } from '../src/driver/fault-plan.ts'
import { sabotageNames } from '../src/sabotage/sabotage.ts'
import { torture } from '../src/torture.ts'
import { isThorough } from '../../workspace/test-effort.ts'
import { noFaults } from './support/no-faults.ts'

interface Sabotage {
  readonly minutes: number
  readonly counts: FaultCounts
  /** The rule that must report the sabotage. */
  readonly rule: Rule
}

// The sabotages, each with faults that reveal it and the rule that must report it.
const sabotages: Readonly<Record<string, Sabotage>> = {
  // Only calls of former owners reveal this sabotage. So the faults are of the kind `outlive`: a resumed process, which
  // is a former owner, runs beside its successor.
  'ignore-token': { minutes: 0.25, counts: { ...noFaults, outlive: 10 }, rule: 'stale-write' },
  'create-twice': { minutes: 0.05, counts: noFaults, rule: 'created-twice' },
  'split-overlap': { minutes: 0.1, counts: { ...noFaults, trigger: 20 }, rule: 'overlap' },
  'forget-wake': { minutes: 0.1, counts: { ...noFaults, trigger: 30 }, rule: 'convergence' },
  // A completion by a process that runs beside its successor is rare. So this run has twice as many faults of the kind
  // `outlive` as the run of `ignore-token`.
  'complete-late': { minutes: 0.25, counts: { ...noFaults, outlive: 20 }, rule: 'rows' },
  // The runs of `one-place-more` and `one-start-more` trigger more occurrences than the job's limits allow, so that the
  // limits always delay some occurrences.
  'one-place-more': { minutes: 0.2, counts: { ...noFaults, trigger: 60 }, rule: 'overlap' },
  'one-start-more': { minutes: 0.2, counts: { ...noFaults, trigger: 60 }, rule: 'start-rate' },
}

// The sabotages of `npm test`: one that the ledger shows, and one that the witness shows. The other sabotages need many faults or
// a long recovery, so only `npm run test:extra` tries them. check-run.test.ts tests each rule on hand-written histories.
const quick: readonly string[] = ['create-twice', 'split-overlap']

const tried = Object.entries(sabotages).filter(([name]) => isThorough || quick.includes(name))

it('the table of sabotages in this test contains each sabotage of the torture test', () => {
  expect(Object.keys(sabotages)).toEqual(sabotageNames)
})

// A sabotage wraps a storage of any kind in the same way, so these tests use only one kind of storage.
it.concurrent.each(tried)(
  'the torture test’s checks report the sabotage %s',
  { timeout: 200_000 },
  async (sabotage, one) => {
    const { minutes, counts, rule } = one
    const options = {
      storage: 'sqlite',
      nodes: 2,
      callers: 0,
      minutes,
      kills: 0,
      seed: '1',
      clockSkew: 0,
      sabotage,
      loseWrites: false,
      keep: false,
    }
    const { violations, folder } = await torture(options, { counts, recoveryLimitMs: 8000 })
    // A run with a violation keeps its folder. This test expects the violation, so it removes the folder.
    if (folder !== null) rmSync(folder, { recursive: true })
    expect(violations.map((violation) => violation.rule)).toContain(rule)
  },
)
