import type { EffortOptions } from './effort.ts'
import { planSkips, type SkippedCase } from './skips.ts'
import { type CaseDepth, caseDepths, type DeclaredCapabilities } from './storage-case.ts'
import { storageCases } from './storage-cases.ts'
import { type StorageWorld, withWorld } from './storage-world.ts'
import { withinLimit } from './time-limit.ts'

/** `describe` of vitest, node:test or jest. */
export type DescribeFunction = (name: string, body: () => void) => unknown

/** `it` or `test` of vitest, node:test or jest. The third argument is a time limit in milliseconds. */
export interface TestFunction {
  (name: string, body: () => Promise<void>, timeoutMs?: number): unknown
  /** Shows a case that is left out, with its reason, where the runner can. */
  readonly skip?: (name: string, body: () => Promise<void>) => unknown
}

/** What {@link storageConformance} takes. */
export interface StorageConformanceOptions extends EffortOptions {
  /** Of the test runner. */
  readonly describe: DescribeFunction
  /** Of the test runner. */
  readonly it: TestFunction
  /** What the tests are filed under: the name of the storage. */
  readonly name: string
  /** Opens a fresh world for one case. */
  readonly open: () => StorageWorld | Promise<StorageWorld>
  /** What the storage says it can do. Default: one process, durability `none`, and nothing else. */
  readonly capabilities?: DeclaredCapabilities
  /** The deepest cases to run. Default `'soak'`: all. */
  readonly depth?: CaseDepth
  /** Cases to leave out, each with its reason. */
  readonly skip?: readonly SkippedCase[]
}

/** How much later than the case itself the runner gives up: the case says what hangs, and clears up after it. */
const runnerGraceMs = 15_000

/**
 * Registers the whole suite with a test runner.
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
 */
export function storageConformance(options: StorageConformanceOptions): void {
  const { describe, it, name, open } = options
  const deepest = caseDepths.indexOf(options.depth ?? 'soak')
  const cases = storageCases(options.capabilities ?? {}, options).filter(
    ({ depth }) => caseDepths.indexOf(depth) <= deepest,
  )
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
      // Opening and clearing up can hang too.
      const body = async (): Promise<void> =>
        await withinLimit(`${test}, with opening and closing`, timeoutMs + runnerGraceMs / 2, () =>
          withWorld(open, (world) => storageCase.run(world)),
        )
      if (reason === undefined) it(test, body, timeoutMs + runnerGraceMs)
      else it.skip?.(`${test} (${reason})`, body)
    }
  })
}
