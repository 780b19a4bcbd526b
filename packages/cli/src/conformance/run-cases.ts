import type {
  CaseDepth,
  DeclaredCapabilities,
  EffortOptions,
  SkippedCase,
  StorageCase,
} from '@jobistemer/storage-conformance'
import { CliError } from '../cli-error.ts'
import type { OpenWorld } from './guarded-worlds.ts'

/** The exports of `@jobistemer/storage-conformance` that the command `conformance` uses. */
export type Kit = Pick<typeof import('@jobistemer/storage-conformance'), 'storageCases' | 'storageConformance'>

/** The outcome of one conformance case, with its duration. */
export interface CaseResult {
  readonly name: string
  /**
   * The depth of the conformance case. `null`: the result belongs to no case. It reports a mistake in the list of cases to
   * skip, such as an unknown name.
   */
  readonly depth: CaseDepth | null
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly durationMs: number
  /** The error that the case threw; `null` if the case passed. */
  readonly error: unknown
  /** The reason for which the case was skipped; `null` if the case ran. */
  readonly reason: string | null
}

/** The conformance cases to run, and the storage that they test. */
export interface CasePlan {
  readonly kit: Kit
  readonly open: OpenWorld
  readonly capabilities: DeclaredCapabilities
  readonly effort: EffortOptions
  /** The maximum depth of the cases that run. */
  readonly depth: CaseDepth
  /** Runs only cases whose name contains this text, in any letter case. `null`: all cases. */
  readonly grep: string | null
  readonly skip: readonly SkippedCase[]
}

/** A conformance case of a plan. `run` is `null` if the plan skips the case. */
interface PlannedCase {
  readonly name: string
  readonly depth: CaseDepth | null
  readonly run: (() => Promise<void>) | null
  readonly reason: string | null
}

/** Returns the cases of a plan, in the order in which the kit lists them. */
export function planCases(plan: CasePlan): readonly PlannedCase[] {
  const { kit, open, capabilities, effort, depth, grep, skip } = plan
  const known = new Map<string, StorageCase>(kit.storageCases(capabilities, effort).map((one) => [one.name, one]))
  // The kit's title of a skipped case is the name of the case, followed by the reason in parentheses.
  const skipped = new Map(skip.map((one) => [`${one.test} (${one.reason})`, one]))
  const planned: PlannedCase[] = []
  const add = (title: string, run: (() => Promise<void>) | null): void => {
    const { test: name = title, reason = null } = (run === null ? skipped.get(title) : undefined) ?? {}
    if (grep !== null && known.has(name) && !name.toLowerCase().includes(grep.toLowerCase())) return
    planned.push({ name, depth: known.get(name)?.depth ?? null, run, reason })
  }
  const it = Object.assign((name: string, body: () => Promise<void>) => add(name, body), {
    skip: (name: string) => add(name, null),
  })
  kit.storageConformance({
    describe: (_, body) => body(),
    it,
    name: 'storage',
    open,
    capabilities,
    ...effort,
    depth,
    skip: [...skip],
  })
  return planned
}

/**
 * Runs conformance cases one after the other, and yields their results.
 * @throws CliError if an opened test database is not empty
 */
export async function* runCases(
  cases: readonly PlannedCase[],
  { now, signal }: { readonly now: () => number; readonly signal: AbortSignal },
): AsyncGenerator<CaseResult> {
  for (const { name, depth, run, reason } of cases) {
    if (signal.aborted) return
    if (run === null) {
      yield { name, depth, outcome: 'skipped', durationMs: 0, error: null, reason }
      continue
    }
    const begin = now()
    let error: unknown = null
    try {
      await run()
    } catch (thrown) {
      if (thrown instanceof CliError) throw thrown
      error = thrown ?? new Error('The conformance case threw null or undefined instead of an error.')
    }
    const outcome = error === null ? 'passed' : 'failed'
    yield { name, depth, outcome, durationMs: Math.max(0, Math.round(now() - begin)), error, reason: null }
  }
}
