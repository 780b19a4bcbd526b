import { expect } from 'vitest'
import { printFailure } from '../../src/run/print-report.ts'
import { simulate, type SimulationReport } from '../../src/simulate.ts'

/** A range of seeds, including both ends. */
export interface SeedRange {
  readonly from: number
  readonly to: number
}

const groupSize = 10

/** Splits a range of seeds into groups, so that a violation ends the test before the end of the range. */
export function groupsOf({ from, to }: SeedRange): readonly SeedRange[] {
  const groups: SeedRange[] = []
  for (let start = from; start <= to; start += groupSize) {
    groups.push({ from: start, to: Math.min(start + groupSize - 1, to) })
  }
  return groups
}

/** Returns a range for each of these seeds. */
export function oneByOne(seeds: readonly number[]): readonly SeedRange[] {
  return seeds.map((seed) => ({ from: seed, to: seed }))
}

/** Asserts that no seed of the range has a violation. Adds to `seen` the faults, operations and states that occurred. */
export async function assertSeedsHold(range: SeedRange, seen: Set<string> = new Set()): Promise<void> {
  for await (const report of held(range, {})) note(report, seen)
}

/** Asserts that no seed of the range has a violation if the only faults are outages. */
export async function assertOutagesHold(range: SeedRange): Promise<void> {
  for await (const _ of held(range, { onlyOutages: true }));
}

/** Asserts that no seed of the range has a violation if jobs have `maxConcurrency`. */
export async function assertPlacesHold(range: SeedRange): Promise<void> {
  for await (const _ of held(range, { places: true }));
}

/** Asserts that no seed of the range has a violation if processes call `runDue`. */
export async function assertCallsHold(range: SeedRange): Promise<void> {
  for await (const _ of held(range, { calls: true }));
}

async function* held(
  { from, to }: SeedRange,
  {
    onlyOutages = false,
    calls = false,
    places = false,
  }: { readonly onlyOutages?: boolean; readonly calls?: boolean; readonly places?: boolean },
): AsyncGenerator<SimulationReport> {
  for (let seed = from; seed <= to; seed++) {
    const report = await simulate({ seed, onlyOutages, calls, places })
    const { violations } = report
    expect(violations, printFailure(seed, violations, { sabotage: null, onlyOutages, calls, places })).toEqual([])
    yield report
  }
}

function note({ faults, occurrences, events }: SimulationReport, seen: Set<string>): void {
  for (const fault of Object.keys(faults)) seen.add(fault)
  for (const state of Object.keys(occurrences)) seen.add(state)
  for (const event of events) if (event.kind === 'operation') seen.add(event.operation)
}
