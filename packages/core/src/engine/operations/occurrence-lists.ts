import { readObject } from '../../configuration/read-value.ts'
import type { JobId } from '../../ids.ts'
import type { ListPage } from '../../listing.ts'
import { type ListedOccurrence, occurrenceOf } from '../../occurrence.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import { type CallOptions, callOptionNames } from '../loop/asked-calls.ts'
import type { StorageCalls } from '../loop/storage-caller.ts'
import type { CheckedFilter } from './occurrence-filter.ts'
import { withRunsOfClaim } from './runs-of-claim.ts'

const pageSize = 1000

/** A page of occurrences with the names of their jobs, as far as those are in the storage. */
export async function listOccurrences(
  { query, limit, cursor: start, cursors }: CheckedFilter,
  options: CallOptions,
  storage: StorageCalls,
): Promise<ListPage<ListedOccurrence>> {
  readObject(options, 'options', callOptionNames)
  const records: OccurrenceRecord[] = []
  let cursor = start
  do {
    const from = cursor
    const some = Math.min(limit - records.length, pageSize)
    const page = await storage.once((calls) => calls.listOccurrences({ ...query, limit: some, cursor: from }))
    records.push(...page.items)
    cursor = page.cursor
  } while (cursor !== null && records.length < limit)
  const names = await namesOf([...new Set(records.map(({ jobId }) => jobId))], storage)
  const shown = query.runs ? await withRunsOfClaim(storage, records) : records
  const items = shown.map((record) => ({ ...occurrenceOf(record), job: names.get(record.jobId) ?? null }))
  return { items, cursor: cursors.seal(cursor) }
}

async function namesOf(ids: readonly JobId[], storage: StorageCalls): Promise<ReadonlyMap<JobId, string>> {
  const names = new Map<JobId, string>()
  for (let start = 0; start < ids.length; start += pageSize) {
    const { jobs } = await storage.once((calls) => calls.get({ jobs: ids.slice(start, start + pageSize) }))
    for (const job of jobs) if (job !== null) names.set(job.id, job.name)
  }
  return names
}
