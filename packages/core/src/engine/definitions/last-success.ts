import type { JobId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { OccurrenceQuery, Page } from '../../storage/storage.ts'
import { runsPerSuccessSearch } from './tuning.ts'

/** The bounds of a search for a job's last success. */
export interface SuccessSearch {
  readonly jobId: JobId
  /** Only runs that were scheduled at this instant or later, in epoch milliseconds. Default: all. */
  readonly from?: number
  /** Maximum number of storage calls. Default: unlimited. */
  readonly mostCalls?: number
}

/** The result of a search for a job's last success. */
export interface LastSuccess {
  /** End of the last `completed` run, in epoch milliseconds; `null`: the search found none. */
  readonly at: number | null
  /** False: the search stopped after `mostCalls` calls without an answer. */
  readonly isCertain: boolean
}

/**
 * Searches for the last success of a job, from the end of its history backwards. A storage may read all later runs that did
 * not complete, so the search needs a bound.
 */
export async function lastSuccess(
  { jobId, from, mostCalls = Number.POSITIVE_INFINITY }: SuccessSearch,
  list: (query: OccurrenceQuery) => Promise<Page<OccurrenceRecord>>,
): Promise<LastSuccess> {
  let cursor: string | null = null
  for (let calls = 0; calls < mostCalls; calls++) {
    const page: Page<OccurrenceRecord> = await list({
      kind: 'job',
      jobId,
      ...(from !== undefined && { from }),
      states: ['completed'],
      order: 'descending',
      runs: false,
      limit: runsPerSuccessSearch,
      cursor,
    })
    if (page.items.length > 0) {
      return { at: Math.max(...page.items.map(({ finishedAt }) => finishedAt as number)), isCertain: true }
    }
    cursor = page.cursor
    if (cursor === null) return { at: null, isCertain: true }
  }
  return { at: null, isCertain: false }
}
