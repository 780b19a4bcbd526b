import { resolveJobSettings } from '../../configuration/resolve-settings.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { pausedUntil } from '../../storage/rules.ts'

/** The rule that decides when a job is silent. */
export interface SilenceRule {
  /** Milliseconds without a success after which the job is silent. */
  readonly alertAfterMs: number
  /** The time counts from this instant at the earliest, in epoch milliseconds: the last change or the end of a pause. */
  readonly notBefore: number
  /** Maximum duration of a run, in milliseconds. A run that was scheduled this much earlier may still end. */
  readonly executionTimeoutMs: number
}

/**
 * Returns the rule of a stored job. `null`: the job has no `alertAfter`, is deleted, or is paused until a call resumes it.
 */
export function silenceRuleOf({ definition, paused, deletedAt, changedAt }: JobRecord): SilenceRule | null {
  const until = pausedUntil(paused)
  if (until === Number.POSITIVE_INFINITY || deletedAt !== null) return null
  const { defaults, settings } = readJobDocument(definition)
  const { alertAfterMs, executionTimeoutMs } = resolveJobSettings(defaults, settings)
  return alertAfterMs === null ? null : { alertAfterMs, executionTimeoutMs, notBefore: Math.max(changedAt, until) }
}

/** Returns the instant from which `alertAfterMs` counts, in epoch milliseconds. */
export function countedSince({ notBefore }: SilenceRule, lastSuccessAt: number | null): number {
  return lastSuccessAt === null ? notBefore : Math.max(notBefore, lastSuccessAt)
}

/** Returns the earliest scheduled time to search for a success that ended within `alertAfter`. */
export function searchedFrom({ alertAfterMs, executionTimeoutMs }: SilenceRule, now: number): number {
  // The doubled `alertAfter` also covers runs that waited in a queue.
  return now - 2 * alertAfterMs - executionTimeoutMs
}
