import { expect } from 'vitest'
import { printFailure } from '../../src/run/print-report.ts'
import { simulate, type SimulationReport } from '../../src/simulate.ts'

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

/** Adds the faults, operations and states that come up to `seen`. */
export async function assertSeedsHold(range: SeedRange, seen: Set<string> = new Set()): Promise<void> {
  for await (const report of held(range, {})) note(report, seen)
}

/** With no other fault than a storage that is away. */
export async function assertOutagesHold(range: SeedRange): Promise<void> {
  for await (const _ of held(range, { onlyOutages: true }));
}

/** With calls of `runDue`. */
export async function assertCallsHold(range: SeedRange): Promise<void> {
  for await (const _ of held(range, { calls: true }));
}

async function* held(
  { from, to }: SeedRange,
  { onlyOutages = false, calls = false }: { readonly onlyOutages?: boolean; readonly calls?: boolean },
): AsyncGenerator<SimulationReport> {
  for (let seed = from; seed <= to; seed++) {
    const report = await simulate({ seed, onlyOutages, calls })
    const { violations } = report
    expect(violations, printFailure(seed, violations, { sabotage: null, onlyOutages, calls })).toEqual([])
    yield report
  }
}

function note({ faults, occurrences, events }: SimulationReport, seen: Set<string>): void {
  for (const fault of Object.keys(faults)) seen.add(fault)
  for (const state of Object.keys(occurrences)) seen.add(state)
  for (const event of events) if (event.kind === 'operation') seen.add(event.operation)
}
