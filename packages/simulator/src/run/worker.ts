import { parentPort } from 'node:worker_threads'
import type { Violation } from '../checker/violation.ts'
import { simulate } from '../simulate.ts'
import { addTotals, emptyTotals, type Totals } from './totals.ts'

/** A range of seeds that the main thread sends to a worker. */
export interface WorkOrder {
  readonly from: number
  readonly seeds: number
  readonly sabotage: string | null
  readonly onlyOutages: boolean
  readonly calls: boolean
  readonly places: boolean
}

/** A worker's results for a range of seeds. */
export interface WorkDone {
  readonly totals: Totals
  readonly failures: readonly { readonly seed: number; readonly violations: readonly Violation[] }[]
}

// Disables stack traces, because creating them for simulated errors would take most of the time of a simulation.
Error.stackTraceLimit = 0

parentPort?.on('message', async ({ from, seeds, sabotage, onlyOutages, calls, places }: WorkOrder) => {
  const totals = emptyTotals()
  const failures: { seed: number; violations: readonly Violation[] }[] = []
  for (let seed = from; seed < from + seeds; seed++) {
    const report = await simulate({ seed, sabotage, onlyOutages, calls, places })
    addTotals(totals, report)
    if (report.violations.length > 0) failures.push({ seed, violations: report.violations })
  }
  parentPort?.postMessage({ totals, failures } satisfies WorkDone)
})
