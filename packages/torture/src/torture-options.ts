import { parseArgs } from 'node:util'
import { sabotageNames } from './sabotage/sabotage.ts'
import type { StorageKind } from './storages/storage-kind.ts'
import { storageKind, storageNames } from './storages/storage-kinds.ts'
import { readNumber } from './support/read-number.ts'

/** How to torture. */
export interface TortureOptions {
  readonly storage: string
  /** How many node processes there are at any time. */
  readonly nodes: number
  /** How many of them call `runDue` again and again, in place of living on. */
  readonly callers: number
  /** How long the faults last. */
  readonly minutes: number
  /** How often a process is killed, at least. */
  readonly kills: number
  /** Decides about faults, targets and the behaviour of tasks. What the machine adds to it differs from run to run. */
  readonly seed: string
  /** The clocks of nodes are wrong by up to so many minutes, ahead and behind. */
  readonly clockSkew: number
  /** A way in which the storage is broken, to see that the checks find it. */
  readonly sabotage: string | null
  /** The server loses the last acknowledged writes now and then: less is checked then. */
  readonly loseWrites: boolean
  /** Leave the folder with witness, history and storage, also when all is well. */
  readonly keep: boolean
}

const fewestSeconds = 20

const usage = `Usage: npm run torture -- [options]
  --storage NAME   ${storageNames.join(', ')} (default sqlite)
  --nodes N        node processes at a time, 1 to 64 (default 4)
  --callers N      so many of them call runDue in place of living on (default 0)
  --kills K        kill -9 so often, 0 to 100000 (default 100)
  --minutes M      spread over so many minutes (default by storage, for each kill: ${usual((kind) => `${kind.secondsPerKill} s`)}; at least ${fewestSeconds} s)
  --seed S         repeats the faults and the tasks of an earlier run
  --clock-skew M   clocks of nodes wrong by up to so many minutes, 0 to 1440 (default by storage: ${usual((kind) => `${kind.usualSkewMinutes}`)})
  --sabotage NAME  break the storage: ${sabotageNames.join(', ')}
  --lose-writes    the server loses its last acknowledged writes now and then (redis)
  --keep           leave the recording, also when all is well`

/** Reads the command line; `null` after `--help`. @throws TypeError that tells what is wrong, with the usage */
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
      throw new TypeError(`--sabotage is not one of ${sabotageNames.join(', ')}: ${values.sabotage}.`)
    }
    if (values['lose-writes'] && values.storage !== 'redis') {
      throw new TypeError(`--lose-writes is for redis alone, and not for ${values.storage}.`)
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
