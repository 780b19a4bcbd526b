import { parseArgs } from 'node:util'
import { readNumber } from '../support/read-number.ts'

/** How to play hostile completions. */
export interface CompletionOptions {
  /** Calls of handlers, at least. */
  readonly tries: number
  /** No play begins after so many; `null`: however long it takes. */
  readonly minutes: number | null
  /** How many processes play at a time. */
  readonly players: number
  /** How many occurrences a play has. */
  readonly occurrences: number
  /** One try in so many is to kill the process that plays, if it comes so far; 0: none is. */
  readonly killEvery: number
  /** Of the first play; the next ones count on from it. */
  readonly seed: number
  /** Whether the storage takes what former owners complete, to see that it is found out. */
  readonly sabotage: boolean
}

const usage = `Usage: npm run torture -- completions [options]
  --tries N        calls of handlers, 1 to 100000000 (default 10000)
  --minutes M      fewer tries when it takes longer; what is under way goes on to its end
  --players N      processes that play at a time, 1 to 64 (default 2)
  --occurrences N  of each play, 1 to 100000 (default 4000)
  --kill-every N   one try in so many is to kill the process that plays, 0 for none (default 2000)
  --seed N         of the first play, a whole number (default 1)
  --sabotage       take what former owners complete`

/** Reads what comes behind `completions`; `null` after `--help`. @throws TypeError that tells what is wrong, with the usage */
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
