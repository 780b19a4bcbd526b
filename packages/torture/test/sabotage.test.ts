import { rmSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Rule } from '../src/checker/violation.ts'
import type { FaultCounts } from '../src/driver/fault-plan.ts'
import { sabotageNames } from '../src/sabotage/sabotage.ts'
import { torture } from '../src/torture.ts'
import { noFaults } from './support/no-faults.ts'

interface Sabotage {
  readonly minutes: number
  readonly counts: FaultCounts
  /** The rule that must find the sabotage. */
  readonly rule: Rule
}

// Real processes on a broken storage: the rule that names the error must find each sabotage.
const sabotages: Readonly<Record<string, Sabotage>> = {
  // Needs former owners: processes that run beside their successors.
  'ignore-token': { minutes: 0.25, counts: { ...noFaults, outlive: 10 }, rule: 'stale-write' },
  'create-twice': { minutes: 0.05, counts: noFaults, rule: 'created-twice' },
  'split-overlap': { minutes: 0.1, counts: { ...noFaults, trigger: 20 }, rule: 'overlap' },
  'forget-wake': { minutes: 0.1, counts: { ...noFaults, trigger: 30 }, rule: 'convergence' },
  // A process that completes beside its successor is rarer still, so this run has twice as many.
  'complete-late': { minutes: 0.25, counts: { ...noFaults, outlive: 20 }, rule: 'rows' },
  // Triggers more occurrences than the job may run, so that its limits always hold some back.
  'one-place-more': { minutes: 0.2, counts: { ...noFaults, trigger: 60 }, rule: 'overlap' },
  'one-start-more': { minutes: 0.2, counts: { ...noFaults, trigger: 60 }, rule: 'start-rate' },
}

it('this test covers every sabotage of the torture test', () => {
  expect(Object.keys(sabotages)).toEqual(sabotageNames)
})

// Sabotages wrap the storage, so the kind of storage does not matter.
it.concurrent.each(Object.entries(sabotages))(
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
    // A violation keeps the recording for its investigation. Here violations are expected.
    if (folder !== null) rmSync(folder, { recursive: true })
    expect(violations.map((violation) => violation.rule)).toContain(rule)
  },
)
