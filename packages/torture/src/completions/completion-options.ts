import { parseArgs } from 'node:util'
import { readNumber } from '../support/read-number.ts'

/** Options of `npm run torture -- completions`. */
export interface CompletionOptions {
  /** Minimum number of handler calls in all runs of `playCompletions`. */
  readonly tries: number
  /** Time after which no further run of `playCompletions` begins, in minutes; `null`: no limit. */
  readonly minutes: number | null
  /** Number of concurrent processes that run `playCompletions`. */
  readonly players: number
  /** Number of occurrences in each play, a run of `playCompletions`. */
  readonly occurrences: number
  /**
   * How rarely processes kill themselves. On average, the test chooses a statement of one of this number of handler
   * calls. If the call reaches this statement, the process kills itself. 0: no process kills itself.
   */
  readonly killEvery: number
  /** Seed of the first run of `playCompletions`. Each further run uses the next number as its seed. */
  readonly seed: number
  /** Whether the storage accepts completions of former owners. The checks must detect this sabotage. */
  readonly sabotage: boolean
}

const usage = `Usage: npm run torture -- completions [options]
  --tries N        number of handler calls, 1 to 100000000 (default 10000)
  --minutes M      no play begins after this time; plays in progress end normally
  --players N      number of playing processes, 1 to 64 (default 2)
  --occurrences N  occurrences of each play, 1 to 100000 (default 4000)
  --kill-every N   one try in N kills the process that plays, 0: none does (default 2000)
  --seed N         seed of the first play, a whole number (default 1)
  --sabotage       accept completions of former owners`

/**
 * Reads the options after `completions`. Returns `null` after `--help`. @throws TypeError with the wrong option and the
 * usage
 */
export function readCompletionOptions(args: readonly string[]): CompletionOptions | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        tries: { type: 'string', default: '10000' },
        minutes: { type: 'string' },
        players: { type: 'string', default: '2' },
        occurrences: { type: 'string', default: '4000' },
        'kill-every': { type: 'string', default: '2000' },
        seed: { type: 'string', default: '1' },
        sabotage: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return null
    return {
      tries: readNumber(values.tries, '--tries', 1, 100_000_000, true),
      minutes: values.minutes === undefined ? null : readNumber(values.minutes, '--minutes', 0, 100_000, false),
      players: readNumber(values.players, '--players', 1, 64, true),
      occurrences: readNumber(values.occurrences, '--occurrences', 1, 100_000, true),
      killEvery: readNumber(values['kill-every'], '--kill-every', 0, 100_000_000, true),
      seed: readNumber(values.seed, '--seed', 0, Number.MAX_SAFE_INTEGER, true),
      sabotage: values.sabotage,
    }
  } catch (error) {
    throw new TypeError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  }
}

export function completionUsage(): string {
  return usage
}
