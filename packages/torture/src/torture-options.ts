import { parseArgs } from 'node:util'
import { sabotageNames } from './sabotage/sabotage.ts'
import type { StorageKind } from './storages/storage-kind.ts'
import { storageKind, storageNames } from './storages/storage-kinds.ts'
import { readNumber } from './support/read-number.ts'

/** Options of a torture run. */
export interface TortureOptions {
  readonly storage: string
  /** Number of concurrent node processes. */
  readonly nodes: number
  /** Number of nodes that call `runDue` in a loop instead of running continuously. */
  readonly callers: number
  /** Duration of the fault phase, in minutes. */
  readonly minutes: number
  /** Minimum number of processes that the driver kills. */
  readonly kills: number
  /**
   * The seed decides the faults, their targets and the behavior of tasks. Runs with the same seed may nevertheless
   * differ, because the timing of the machine differs.
   */
  readonly seed: string
  /** Maximum error of the nodes' clocks, ahead and behind, in minutes. */
  readonly clockSkew: number
  /** Name of the sabotage that breaks the storage. A sabotage shows that the checks detect a certain error. */
  readonly sabotage: string | null
  /** Whether the server sometimes loses its last acknowledged writes. The run then checks fewer rules. */
  readonly loseWrites: boolean
  /** Whether the run keeps the folder with its records and data even without a violation. */
  readonly keep: boolean
}

const fewestSeconds = 20

const usage = `Usage: npm run torture -- [options]
  --storage NAME   ${storageNames.join(', ')} (default sqlite)
  --nodes N        node processes at a time, 1 to 64 (default 4)
  --callers N      number of nodes that call runDue instead of running on (default 0)
  --kills K        number of kill -9, 0 to 100000 (default 100)
  --minutes M      duration of the faults in minutes (default by storage, for each kill: ${usual((kind) => `${kind.secondsPerKill} s`)}; at least ${fewestSeconds} s)
  --seed S         repeats the faults and the tasks of an earlier run
  --clock-skew M   maximum error of the nodes' clocks in minutes, 0 to 1440 (default by storage: ${usual((kind) => `${kind.usualSkewMinutes}`)})
  --sabotage NAME  break the storage: ${sabotageNames.join(', ')}
  --lose-writes    the server sometimes loses its last acknowledged writes (redis)
  --keep           keep the recording even without a violation`

/** Reads the command line. Returns `null` after `--help`. @throws TypeError with the wrong option and the usage */
export function readTortureOptions(args: readonly string[], newSeed: () => string): TortureOptions | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        storage: { type: 'string', default: 'sqlite' },
        nodes: { type: 'string', default: '4' },
        callers: { type: 'string', default: '0' },
        kills: { type: 'string', default: '100' },
        minutes: { type: 'string' },
        seed: { type: 'string' },
        'clock-skew': { type: 'string' },
        sabotage: { type: 'string' },
        'lose-writes': { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return null
    const { usualSkewMinutes, secondsPerKill } = storageKind(values.storage)
    if (values.sabotage !== undefined && !sabotageNames.includes(values.sabotage)) {
      throw new TypeError(`--sabotage must be one of ${sabotageNames.join(', ')}, not ${values.sabotage}.`)
    }
    if (values['lose-writes'] && values.storage !== 'redis') {
      throw new TypeError(`--lose-writes works only with redis, not with ${values.storage}.`)
    }
    const kills = readNumber(values.kills, '--kills', 0, 100_000, true)
    const usualMinutes = Math.max(fewestSeconds, kills * secondsPerKill) / 60
    return {
      storage: values.storage,
      nodes: readNumber(values.nodes, '--nodes', 1, 64, true),
      callers: readNumber(values.callers, '--callers', 0, 64, true),
      kills,
      minutes:
        values.minutes === undefined ? usualMinutes : readNumber(values.minutes, '--minutes', 0.05, 10_000, false),
      seed: values.seed ?? newSeed(),
      clockSkew: readNumber(values['clock-skew'] ?? String(usualSkewMinutes), '--clock-skew', 0, 1440, false),
      sabotage: values.sabotage ?? null,
      loseWrites: values['lose-writes'],
      keep: values.keep,
    }
  } catch (error) {
    throw new TypeError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  }
}

export function tortureUsage(): string {
  return usage
}

function usual(what: (kind: StorageKind) => string): string {
  return storageNames.map((name) => `${name} ${what(storageKind(name))}`).join(', ')
}
