import type { StorageCase } from './storage-case.ts'

/** A case that an adapter does not pass, and why that is accepted. */
export interface SkippedCase {
  /** The full name of the case. */
  readonly test: string
  /** Why the adapter does not pass the case, for later readers. Must not be empty. */
  readonly reason: string
}

export interface SkipPlan {
  /** The reasons by the name of the case. */
  readonly reasons: ReadonlyMap<string, string>
  /** What is wrong with the list itself: each becomes a failing test. */
  readonly problems: readonly string[]
}

/** Skips are checked: one without a reason, one that matches nothing and one that comes twice are problems. */
export function planSkips(cases: readonly StorageCase[], skips: readonly SkippedCase[]): SkipPlan {
  const names = new Set(cases.map(({ name }) => name))
  const reasons = new Map<string, string>()
  const problems: string[] = []
  for (const { test, reason } of skips) {
    if (!names.has(test)) problems.push(`the skip "${test}" matches no case`)
    else if (reasons.has(test)) problems.push(`the skip "${test}" is listed twice`)
    if (typeof reason !== 'string' || reason.trim() === '') problems.push(`the skip "${test}" gives no reason`)
    reasons.set(test, reason)
  }
  return { reasons, problems }
}
