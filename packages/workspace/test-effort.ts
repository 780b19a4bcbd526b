const variable = 'JOBISTEMER_TEST_EFFORT'

/**
 * A factor for the random parts of a test run: rounds of races, seeds of simulations, examples of properties. Every effort runs
 * each case. `npm test` uses 1, `npm run test:extra` uses 4.
 */
export const testEffort: number = readEffort(process.env[variable])

/** True in `npm run test:extra`, which tests all sizes, color schemes and kinds. `npm test` tests a part of them. */
export const isThorough: boolean = testEffort > 1

/** Returns the number of rounds, seeds or examples: `base` times the effort. */
export function byEffort(base: number): number {
  return Math.max(1, Math.round(base * testEffort))
}

/** Returns {@link byEffort} seeds, beginning with `first`. */
export function seedsByEffort(base: number, first = 1): readonly number[] {
  return Array.from({ length: byEffort(base) }, (_, index) => first + index)
}

/** @throws TypeError if the text is not a number from 1 on */
export function readEffort(text: string | undefined): number {
  if (text === undefined || text === '') return 1
  const effort = Number(text)
  if (Number.isFinite(effort) && effort >= 1) return effort
  throw new TypeError(
    `${variable} is not a number of at least 1: ${JSON.stringify(text)}. Unset it for 1, or set more for a longer run.`,
  )
}

type TestFunction = (name: string, body: () => Promise<void>, timeoutMs?: number) => unknown

/** Subjects of the conformance kit that depend on the connection or the server, and the soak, which calls every method. */
const kindSubjects =
  /^(batch|capabilities|connections|damaged|disconnects|durability|serverTime|soak|subscribe|texts|within)/

/**
 * The test function of a further kind of a storage, for example another server with the same statements. `npm test` runs
 * every case of the conformance kit on the first kind. It runs the cases of {@link kindSubjects}, and of `more`, on further
 * kinds, and `npm run test:extra` runs the rest.
 */
export function furtherKind(it: TestFunction, more: RegExp = kindSubjects): TestFunction {
  return (name, body, timeoutMs) =>
    isThorough || kindSubjects.test(name) || more.test(name) ? it(name, body, timeoutMs) : undefined
}

/**
 * For the storage conformance kit: `base` times its own number of rounds, and one seed for each whole effort, at most three.
 * `JOBISTEMER_CONFORMANCE_SCALE` and `JOBISTEMER_CONFORMANCE_SEED` override them.
 */
export function kitEffort(base: number): { readonly scale: number; readonly seeds: readonly number[] } {
  return { scale: base * testEffort, seeds: seedsByEffort(1).slice(0, 3) }
}
