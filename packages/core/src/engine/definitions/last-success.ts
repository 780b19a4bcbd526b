import type { JobId } from '../../ids.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { OccurrenceQuery, Page } from '../../storage/storage.ts'
import { runsPerSuccessSearch } from './tuning.ts'

/** Where to look for a job's last success. */
export interface SuccessSearch {
  readonly jobId: JobId
  /** Only those that were scheduled then or later, epoch milliseconds. Default: all. */
  readonly from?: number
  /** So many calls at most. Default: any number. */
  readonly mostCalls?: number
}

/** What was found. */
export interface LastSuccess {
  /** When a run was `completed` last, epoch milliseconds; `null` when none was found. */
  readonly at: number | null
  /** False: there is more than was runsPerSuccessSearch at. */
  readonly isCertain: boolean
}

/**
 * The last success of a job. What lies between the end of the history and that one is walked through, so a search needs a
 * bound.
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
