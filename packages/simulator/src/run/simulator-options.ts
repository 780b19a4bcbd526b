import { parseArgs } from 'node:util'
import { sabotageNames } from '../sabotage/sabotage.ts'

/** The options of the simulator's command line. */
export interface SimulatorOptions {
  /** The first seed. */
  readonly from: number
  /** Number of seeds to simulate. */
  readonly seeds: number
  readonly sabotage: string | null
  /** Whether the only faults are outages of the storage for all nodes, and wrong clocks. */
  readonly onlyOutages: boolean
  /** Whether the simulation includes calls of `runDue`, together with running nodes or instead of them. */
  readonly calls: boolean
  /** Whether some jobs have `maxConcurrency`, `startRate` and `priority`. */
  readonly places: boolean
  /** Whether to print every event of a history. */
  readonly verbose: boolean
}

const usage = `Usage: npm run simulate -- [options]
  --seeds N        number of seeds (default 1000)
  --from N         the first seed (default 1)
  --seed N         only this seed
  --outages        only outages of the storage for all nodes, and wrong clocks
  --calls          call runDue, beside running nodes or in place of them
  --places         jobs with maxConcurrency, startRate and priority
  --verbose        print every event
  --sabotage NAME  break the storage: ${sabotageNames.join(', ')}`

/** Reads the command line. Returns `null` after `--help`. @throws TypeError with the wrong option and the usage */
export function readSimulatorOptions(args: readonly string[]): SimulatorOptions | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seeds: { type: 'string' },
        from: { type: 'string' },
        seed: { type: 'string' },
        outages: { type: 'boolean', default: false },
        calls: { type: 'boolean', default: false },
        places: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
        sabotage: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return null
    if (values.sabotage !== undefined && !sabotageNames.includes(values.sabotage)) {
      throw new TypeError(`--sabotage must be one of ${sabotageNames.join(', ')}, not ${values.sabotage}.`)
    }
    if (values.seed !== undefined && (values.seeds !== undefined || values.from !== undefined)) {
      throw new TypeError('--seed names one seed: leave out --seeds and --from.')
    }
    return {
      from: readWhole(values.seed ?? values.from ?? '1', values.seed === undefined ? '--from' : '--seed', 0),
      seeds: values.seed === undefined ? readWhole(values.seeds ?? '1000', '--seeds', 1) : 1,
      sabotage: values.sabotage ?? null,
      onlyOutages: values.outages,
      calls: values.calls,
      places: values.places,
      verbose: values.verbose,
    }
  } catch (error) {
    throw new TypeError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  }
}

export function simulatorUsage(): string {
  return usage
}

function readWhole(text: string, name: string, least: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new TypeError(`${name} is not a whole number of at least ${least}: ${text}.`)
}
