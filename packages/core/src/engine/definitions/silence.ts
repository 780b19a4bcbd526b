import { readJobDocument, settingsOf } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { pausedUntil } from '../../storage/rules.ts'
import type { JobId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import { eachPage } from '../../storage/pages.ts'
import type { OccurrenceQuery, Page } from '../../storage/storage.ts'
import { itemsLikelyEnough } from './tuning.ts'

/** The rule that decides after how long without a success a job is silent. */
export interface SilenceRule {
  /** Milliseconds without a success after which the job is silent. */
  readonly alertAfterMs: number
  /**
   * The earliest instant, in epoch ms, from which `alertAfterMs` is measured: the job's last change or the end of its
   * pause, whichever is later. After a later success, `alertAfterMs` is measured from that success.
   */
  readonly notBefore: number
  /** Maximum duration of a run, in milliseconds. */
  readonly executionTimeoutMs: number
}

/** Returns the silence rule of a stored job. `null`: the job has no `alertAfter`, is deleted, or is paused without an end. */
export function silenceRuleOf({ definition, paused, deletedAt, changedAt }: JobRecord): SilenceRule | null {
  const until = pausedUntil(paused)
  if (until === Number.POSITIVE_INFINITY || deletedAt !== null) return null
  const { alertAfterMs, executionTimeoutMs } = settingsOf(readJobDocument(definition))
  return alertAfterMs === null ? null : { alertAfterMs, executionTimeoutMs, notBefore: Math.max(changedAt, until) }
}

/**
 * Returns the instant from which `alertAfterMs` is measured, in epoch ms: the last success or `notBefore`, whichever is later.
 */
export function countedSince({ notBefore }: SilenceRule, lastSuccessAt: number | null): number {
  return lastSuccessAt === null ? notBefore : Math.max(notBefore, lastSuccessAt)
}

/**
 * Returns the earliest scheduled time, in epoch ms, of the runs to read. The search looks for a success within `alertAfter`.
 */
export function searchedFrom({ alertAfterMs, executionTimeoutMs }: SilenceRule, now: number): number {
  // A run that succeeded within `alertAfter` may have waited in a queue before. So the search covers twice `alertAfter`.
  return now - 2 * alertAfterMs - executionTimeoutMs
}

/**
 * Searches a job's history backwards for its last success.
 *
 * - `from`: earliest scheduled time of the runs that the search examines, in epoch milliseconds. Default: all runs.
 * - `mostCalls`: maximum number of storage calls. Default: unlimited.
 *
 * Returns the end of the job's last `completed` run, in epoch milliseconds; `null`: the search found no such run. `isCertain` is
 * false if the search stopped after `mostCalls` calls without a result.
 */
export async function lastSuccess(
  { jobId, from, mostCalls }: { readonly jobId: JobId; readonly from?: number; readonly mostCalls?: number },
  list: (query: OccurrenceQuery) => Promise<Page<OccurrenceRecord>>,
): Promise<{ readonly at: number | null; readonly isCertain: boolean }> {
  const part = { kind: 'job', jobId, states: ['completed'], order: 'descending', runs: false } as const
  const query = { ...part, limit: itemsLikelyEnough, ...(from !== undefined && { from }) }
  let calls = 0
  for await (const { items, cursor } of eachPage((at) => list({ ...query, cursor: at }))) {
    const ends = items.map(({ finishedAt }) => finishedAt as number)
    if (ends.length > 0) return { at: Math.max(...ends), isCertain: true }
    if (++calls === mostCalls) return { at: null, isCertain: cursor === null }
  }
  return { at: null, isCertain: true }
}
