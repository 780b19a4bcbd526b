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
  /** What the checks have to say. */
  readonly rule: Rule
}

// Real processes on a storage that is broken: each has to be found by the rule that names its fault.
const sabotages: Readonly<Record<string, Sabotage>> = {
  // Former owners are needed: processes that go on beside their successors.
  'ignore-token': { minutes: 0.25, counts: { ...noFaults, outlive: 10 }, rule: 'stale-write' },
  'create-twice': { minutes: 0.05, counts: noFaults, rule: 'created-twice' },
  'split-overlap': { minutes: 0.1, counts: { ...noFaults, trigger: 20 }, rule: 'overlap' },
  'forget-wake': { minutes: 0.1, counts: { ...noFaults, trigger: 30 }, rule: 'convergence' },
  // One that completes beside its successor is rarer still: so there are twice as many.
  'complete-late': { minutes: 0.25, counts: { ...noFaults, outlive: 20 }, rule: 'rows' },
  // Triggers for more occurrences than the job has room for: so its limits hold some back all the time.
  'one-place-more': { minutes: 0.2, counts: { ...noFaults, trigger: 60 }, rule: 'overlap' },
  'one-start-more': { minutes: 0.2, counts: { ...noFaults, trigger: 60 }, rule: 'start-rate' },
}

it('every sabotage is tried', () => {
  expect(Object.keys(sabotages)).toEqual(sabotageNames)
})

// They wrap the storage: what finds them does not depend on which it is.
it.concurrent.each(Object.entries(sabotages))('%s is found', { timeout: 200_000 }, async (sabotage, one) => {
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
  // Violations keep the recording for whoever has to find out why; here they are as they should be.
  if (folder !== null) rmSync(folder, { recursive: true })
  expect(violations.map((violation) => violation.rule)).toContain(rule)
})
