import type { EffortOptions } from './effort.ts'
import { readDepths, readKitOptions } from './read-options.ts'
import { planSkips, type SkippedCase } from './skips.ts'
import type { CaseDepth, DeclaredCapabilities } from './storage-case.ts'
import { storageCases } from './storage-cases.ts'
import { type StorageWorld, withWorld } from './storage-world.ts'
import { withinLimit } from './time-limit.ts'

/** The function `describe` of vitest, node:test or jest. */
export type DescribeFunction = (name: string, body: () => void) => unknown

/** The function `it` or `test` of vitest, node:test or jest. Its third argument is a timeout in ms. */
export interface TestFunction {
  (name: string, body: () => Promise<void>, timeoutMs?: number): unknown
  /** Reports a skipped case with its reason. Absent if the test runner cannot report skipped cases. */
  readonly skip?: (name: string, body: () => Promise<void>) => unknown
}

/** The options of {@link storageConformance}. */
export interface StorageConformanceOptions extends EffortOptions {
  /** The test runner's function `describe`. */
  readonly describe: DescribeFunction
  /** The test runner's function `it`. */
  readonly it: TestFunction
  /** The name of the storage, as the title of the test group. */
  readonly name: string
  /** Creates an empty test database for one case. */
  readonly open: () => StorageWorld | Promise<StorageWorld>
  /** The capabilities of the storage. Default: one process, durability `none`, and no optional method. */
  readonly capabilities?: DeclaredCapabilities
  /** The maximum depth of the cases to run. Default `'soak'`: all cases. */
  readonly depth?: CaseDepth
  /** Cases to skip, each with its reason. */
  readonly skip?: readonly SkippedCase[]
}

/**
 * Time in ms by which the runner's timeout exceeds the timeout of the case. The case must time out first, because its error
 * names the hanging call.
 */
const runnerGraceMs = 15_000

/**
 * Registers all cases of the conformance kit with a test runner.
 *
 * ```ts
 * import { storageConformance } from '@jobistemer/storage-conformance'
 * import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
 * import { describe, it } from 'vitest'
 *
 * storageConformance({
 *   describe,
 *   it,
 *   name: 'memory',
 *   capabilities: { subscribe: true, findsDueJobs: true, takesNext: true },
 *   open() {
 *     const database = memoryDatabase()
 *     return { connect: async () => memoryStorage({ database }), dispose: async () => {} }
 *   },
 * })
 * ```
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION` for an invalid option
 */
export function storageConformance(options: StorageConformanceOptions): void {
  readKitOptions(options)
  const { describe, it, name, open, capabilities = {}, scale, seeds } = options
  const depths = readDepths(options.depth ?? 'soak')
  const effort = { ...(scale !== undefined && { scale }), ...(seeds !== undefined && { seeds }) }
  const cases = storageCases(capabilities, effort).filter(({ depth }) => depths.includes(depth))
  const skips = planSkips(cases, options.skip ?? [])
  describe(`${name}: storage conformance`, () => {
    for (const problem of skips.problems) {
      it(problem, async () => {
        throw new Error(`${problem}; correct the list \`skip\` of storageConformance()`)
      })
    }
    for (const storageCase of cases) {
      const reason = skips.reasons.get(storageCase.name)
      const { name: test, timeoutMs } = storageCase
      // Opening and closing the test database can hang too, so the timeout also applies to these two steps.
      const body = async (): Promise<void> =>
        await withinLimit(`${test}, with opening and closing`, timeoutMs + runnerGraceMs / 2, () =>
          withWorld(open, (world) => storageCase.run(world)),
        )
      if (reason === undefined) it(test, body, timeoutMs + runnerGraceMs)
      else it.skip?.(`${test} (${reason})`, body)
    }
  })
}
