import type { SimulationReport } from '../simulate.ts'

/** The sums over all simulations so far, as plain data that threads can exchange. */
export interface Totals {
  seeds: number
  virtualMs: number
  storageCalls: number
  readonly faults: Record<string, number>
  readonly occurrences: Record<string, number>
}

export function emptyTotals(): Totals {
  return { seeds: 0, virtualMs: 0, storageCalls: 0, faults: {}, occurrences: {} }
}

type Addend = Omit<Totals, 'seeds'> & { readonly seeds?: number }

export function addTotals(totals: Totals, more: Addend | SimulationReport): void {
  totals.seeds += 'seeds' in more ? (more.seeds ?? 1) : 1
  totals.virtualMs += more.virtualMs
  totals.storageCalls += more.storageCalls
  addCounts(totals.faults, more.faults)
  addCounts(totals.occurrences, more.occurrences)
}

function addCounts(counts: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + count
}
