import type { StorageCase } from './storage-case.ts'

/** A case that the kit skips for an adapter, and the reason. */
export interface SkippedCase {
  /** The full name of the case. */
  readonly test: string
  /** The reason for which the adapter may fail the case. Required. */
  readonly reason: string
}

export interface SkipPlan {
  /** The reasons of the skipped cases, by the name of the case. */
  readonly reasons: ReadonlyMap<string, string>
  /** Errors in the list of skipped cases. Each becomes a failing test. */
  readonly problems: readonly string[]
}

/** Checks the list of skipped cases for missing reasons, unknown names and repeated names. */
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
