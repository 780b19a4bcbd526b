const variable = 'JOBISTEMER_TEST_EFFORT'

/**
 * A factor for the random parts of a test run: rounds of races, seeds of simulations, and examples of properties. Each
 * case runs at every effort. `npm test` uses 1, `npm run test:extra` uses 4.
 */
export const testEffort: number = readEffort(process.env[variable])

/**
 * Whether `npm run test:extra` is running, which tests all sizes, color schemes and kinds of servers. `npm test` tests
 * some of them.
 */
export const isThorough: boolean = testEffort > 1

/** Returns the number of rounds, seeds or examples: `base` times the effort. `npm test` uses `least` instead of `base`. */
export function byEffort(base: number, least = base): number {
  return Math.max(1, Math.round(isThorough ? base * testEffort : least))
}

/** Returns consecutive seeds from `first` on. Their number is {@link byEffort} of `base`. */
export function seedsByEffort(base: number, first = 1): readonly number[] {
  return Array.from({ length: byEffort(base) }, (_, index) => first + index)
}

/** Parses the effort of a test run; 1 without a text. @throws TypeError if the text is not a number from 1 on */
export function readEffort(text: string | undefined): number {
  if (text === undefined || text === '') return 1
  const effort = Number(text)
  if (Number.isFinite(effort) && effort >= 1) return effort
  throw new TypeError(
    `${variable} is not a number of at least 1: ${JSON.stringify(text)}. Unset it, or set a higher number for a longer run.`,
  )
}

type TestFunction = (name: string, body: () => Promise<void>, timeoutMs?: number) => unknown

/**
 * Matches the conformance kit's cases that depend on the connection or the server. Also matches its long random cases
 * (soak), which call every method.
 */
const kindSubjects =
  /^(batch|capabilities|connections|damaged|disconnects|durability|serverTime|soak|subscribe|texts|within)/

/**
 * Returns the test function for a further kind of a storage, for example another server with the same statements.
 *
 * `npm test` runs every case of the conformance kit on the first kind. On further kinds it runs the cases of {@link
 * kindSubjects} and of `more`, and `npm run test:extra` runs all cases.
 */
export function furtherKind(it: TestFunction, more: RegExp = kindSubjects): TestFunction {
  return (name, body, timeoutMs) =>
    isThorough || kindSubjects.test(name) || more.test(name) ? it(name, body, timeoutMs) : undefined
}

/**
 * Returns two options of the storage conformance kit:
 *
 * - `scale`: the kit multiplies its default number of rounds by this factor. The factor is `base` times the effort, or
 *   `least` for `npm test`. The environment variable `JOBISTEMER_CONFORMANCE_SCALE` has precedence.
 * - `seeds`: one seed for each whole unit of effort, at most three. The environment variable
 *   `JOBISTEMER_CONFORMANCE_SEED` has precedence.
 */
export function kitEffort(base: number, least = base): { readonly scale: number; readonly seeds: readonly number[] } {
  return { scale: isThorough ? base * testEffort : least, seeds: seedsByEffort(1).slice(0, 3) }
}
