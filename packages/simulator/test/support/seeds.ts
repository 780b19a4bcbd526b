import { expect } from 'vitest'
import { printFailure } from '../../src/run/print-report.ts'
import { simulate } from '../../src/simulate.ts'

/** Seeds from one to another, both inclusive. */
export interface SeedRange {
  readonly from: number
  readonly to: number
}

const groupSize = 25

/** The range in parts, so that a failure is told before the rest has run. */
export function groupsOf({ from, to }: SeedRange): readonly SeedRange[] {
  const groups: SeedRange[] = []
  for (let start = from; start <= to; start += groupSize) {
    groups.push({ from: start, to: Math.min(start + groupSize - 1, to) })
  }
  return groups
}

export function assertSeedsHold(range: SeedRange): Promise<void> {
  return assertHold(range, false)
}

/** With no other fault than a storage that is away. */
export function assertOutagesHold(range: SeedRange): Promise<void> {
  return assertHold(range, true)
}

async function assertHold({ from, to }: SeedRange, onlyOutages: boolean): Promise<void> {
  for (let seed = from; seed <= to; seed++) {
    const { violations } = await simulate({ seed, onlyOutages })
    expect(violations, printFailure(seed, violations, { sabotage: null, onlyOutages })).toEqual([])
  }
}
