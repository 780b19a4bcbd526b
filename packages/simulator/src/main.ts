import { systemClock } from '@jobistemer/core'
import { printEvent } from './history/print-event.ts'
import { printFailure, printTotals } from './run/print-report.ts'
import { runSeeds } from './run/run-seeds.ts'
import { readSimulatorOptions, type SimulatorOptions, simulatorUsage } from './run/simulator-options.ts'
import { addTotals, emptyTotals } from './run/totals.ts'
import { simulate } from './simulate.ts'

// Command line: `npm run simulate -- [options]`. The process exits with 1 after a violation, and with 2 after a wrong command
// line.

const begin = systemClock.monotonic()
const progressEveryMs = 10_000

function secondsSoFar(): number {
  return (systemClock.monotonic() - begin) / 1000
}

async function simulateOne(options: SimulatorOptions): Promise<number> {
  const { from: seed, verbose } = options
  const report = await simulate({ ...options, seed })
  if (verbose) {
    for (const [index, event] of report.events.entries())
      console.log(`${String(index).padStart(6)} ${printEvent(event)}`)
  }
  const totals = emptyTotals()
  addTotals(totals, report)
  console.log(printTotals(totals, secondsSoFar()))
  if (report.violations.length === 0) return 0
  console.log(printFailure(seed, report.violations, options))
  return 1
}

async function simulateMany(options: SimulatorOptions): Promise<number> {
  const { from, seeds, sabotage, onlyOutages, calls, places } = options
  let toldAt = begin
  const { totals, failures } = await runSeeds({ from, seeds, sabotage, onlyOutages, calls, places }, (done, soFar) => {
    for (const failure of done.failures) console.log(printFailure(failure.seed, failure.violations, options))
    if (systemClock.monotonic() - toldAt < progressEveryMs) return
    toldAt = systemClock.monotonic()
    console.log(`[${secondsSoFar().toFixed(0).padStart(5)} s] ${soFar.seeds} of ${seeds} seeds`)
  })
  console.log(printTotals(totals, secondsSoFar()))
  console.log(failures.length === 0 ? 'no violation' : `${failures.length} seeds break promises`)
  return failures.length === 0 ? 0 : 1
}

async function main(): Promise<number> {
  const options = readSimulatorOptions(process.argv.slice(2))
  if (options === null) {
    console.log(simulatorUsage())
    return 0
  }
  return options.seeds === 1 || options.verbose ? await simulateOne(options) : await simulateMany(options)
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof TypeError ? error.message : error)
  process.exitCode = 2
}
