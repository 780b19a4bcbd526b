import type {
  CaseDepth,
  DeclaredCapabilities,
  EffortOptions,
  SkippedCase,
  StorageCase,
} from '@jobistemer/storage-conformance'
import { CliError } from '../cli-error.ts'
import type { OpenWorld } from './guarded-worlds.ts'

/** The exports of `@jobistemer/storage-conformance` that this program uses. */
export type Kit = Pick<typeof import('@jobistemer/storage-conformance'), 'storageCases' | 'storageConformance'>

/** The result of a case. */
export interface CaseResult {
  readonly name: string
  /** `null`: what is wrong with the list of cases to leave out. */
  readonly depth: CaseDepth | null
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly durationMs: number
  /** The error of a failed case. */
  readonly error: unknown
  /** The reason of a skipped case. */
  readonly reason: string | null
}

/** Which cases are run, and on what. */
export interface CasePlan {
  readonly kit: Kit
  readonly open: OpenWorld
  readonly capabilities: DeclaredCapabilities
  readonly effort: EffortOptions
  /** The deepest that is run. */
  readonly depth: CaseDepth
  /** Part of the names, in whatever letters; `null`: all. */
  readonly grep: string | null
  readonly skip: readonly SkippedCase[]
}

/** A case to run; `run` is `null` for a skipped case. */
interface PlannedCase {
  readonly name: string
  readonly depth: CaseDepth | null
  readonly run: (() => Promise<void>) | null
  readonly reason: string | null
}

/** The cases of a plan, in the order of the kit. */
export function planCases(plan: CasePlan): readonly PlannedCase[] {
  const { kit, open, capabilities, effort, depth, grep, skip } = plan
  const known = new Map<string, StorageCase>(kit.storageCases(capabilities, effort).map((one) => [one.name, one]))
  // As the kit titles them.
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

/** Runs cases one after the other. @throws CliError if the opened data are not empty */
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
      error = thrown ?? new Error('The case failed without an error.')
    }
    const outcome = error === null ? 'passed' : 'failed'
    yield { name, depth, outcome, durationMs: Math.max(0, Math.round(now() - begin)), error, reason: null }
  }
}
