import { parentPort } from 'node:worker_threads'
import type { Violation } from '../checker/violation.ts'
import { simulate } from '../simulate.ts'
import { addTotals, emptyTotals, type Totals } from './totals.ts'

/** What the main thread asks a worker to do. */
export interface WorkOrder {
  readonly from: number
  readonly seeds: number
  readonly sabotage: string | null
  readonly onlyOutages: boolean
  readonly calls: boolean
}

/** What a worker answers to an order. */
export interface WorkDone {
  readonly totals: Totals
  readonly failures: readonly { readonly seed: number; readonly violations: readonly Violation[] }[]
}

// Traces of errors that belong to the simulated world cost more than all else about them.
Error.stackTraceLimit = 0

parentPort?.on('message', async ({ from, seeds, sabotage, onlyOutages, calls }: WorkOrder) => {
  const totals = emptyTotals()
  const failures: { seed: number; violations: readonly Violation[] }[] = []
  for (let seed = from; seed < from + seeds; seed++) {
    const report = await simulate({ seed, sabotage, onlyOutages, calls })
    addTotals(totals, report)
    if (report.violations.length > 0) failures.push({ seed, violations: report.violations })
  }
  parentPort?.postMessage({ totals, failures } satisfies WorkDone)
})
