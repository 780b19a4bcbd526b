import { resolveJobSettings } from '../../configuration/resolve-settings.ts'
import { readJobDocument } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { pausedUntil } from '../../storage/rules.ts'

/** When a job counts as silent. */
export interface SilenceRule {
  /** Without a success for so long. */
  readonly alertAfterMs: number
  /** The time counts from then at the earliest, epoch milliseconds: it was stored or changed, or its pause ended. */
  readonly notBefore: number
  /** For how long a run may take: one that was scheduled so much earlier may still end. */
  readonly executionTimeoutMs: number
}

/** The rule of a stored job; `null` for one that is never silent, or not now: it is gone, or paused until it is resumed. */
export function silenceRuleOf({ definition, paused, deletedAt, changedAt }: JobRecord): SilenceRule | null {
  const until = pausedUntil(paused)
  if (until === Number.POSITIVE_INFINITY || deletedAt !== null) return null
  const { defaults, settings } = readJobDocument(definition)
  const { alertAfterMs, executionTimeoutMs } = resolveJobSettings(defaults, settings)
  return alertAfterMs === null ? null : { alertAfterMs, executionTimeoutMs, notBefore: Math.max(changedAt, until) }
}

/** Since when the time counts after which the job is silent. */
export function countedSince({ notBefore }: SilenceRule, lastSuccessAt: number | null): number {
  return lastSuccessAt === null ? notBefore : Math.max(notBefore, lastSuccessAt)
}

/** From where on to look for a success that ended within `alertAfter`. */
export function searchedFrom({ alertAfterMs, executionTimeoutMs }: SilenceRule, now: number): number {
  // Also of one that has waited in a queue for a while.
  return now - 2 * alertAfterMs - executionTimeoutMs
}
