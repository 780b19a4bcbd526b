import { readObject } from '../../configuration/read-value.ts'
import type { JobId, OccurrenceId } from '../../ids.ts'
import type { ListPage } from '../../listing.ts'
import { type Failure, type ListedOccurrence, occurrenceOf } from '../../occurrence.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { Page } from '../../storage/storage.ts'
import { type CallOptions, callOptionNames } from '../storage-access/caller-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import type { CheckedFilter } from './occurrence-filter.ts'
import { resolutionsOf } from './resolved-failures.ts'
import { withRunsOfClaim } from './runs-of-claim.ts'
import { fewestPerRead, pageSize } from './tuning.ts'

/** Returns a page of occurrences with the names of their jobs; `null` for jobs that are not in the storage. */
export async function listOccurrences(
  filter: CheckedFilter,
  options: CallOptions,
  storage: StorageCalls,
): Promise<ListPage<ListedOccurrence>> {
  readObject(options, 'options', callOptionNames)
  const { limit, cursors } = filter
  const records: OccurrenceRecord[] = []
  let { cursor } = filter
  do {
    const page = await pageOf(filter, Math.min(limit - records.length, pageSize), cursor, storage)
    records.push(...page.items)
    cursor = page.cursor
  } while (cursor !== null && records.length < limit)
  return { items: await named(filter, records, storage), cursor: cursors.seal(cursor) }
}

/** Returns a page of failures, each with the run that resolves it. */
export async function listFailures(
  filter: CheckedFilter,
  options: CallOptions,
  storage: StorageCalls,
): Promise<ListPage<Failure>> {
  readObject(options, 'options', callOptionNames)
  const { limit, cursors, leavesOutResolved } = filter
  const records: OccurrenceRecord[] = []
  const resolved = new Map<OccurrenceId, OccurrenceId>()
  let { cursor } = filter
  do {
    const room = limit - records.length
    const size = leavesOutResolved === true ? Math.max(room, fewestPerRead) : room
    let page = await pageOf(filter, Math.min(size, pageSize), cursor, storage)
    for (const [failure, run] of await resolutionsOf(storage, page.items)) resolved.set(failure, run)
    const isWanted = ({ id }: OccurrenceRecord) => leavesOutResolved === false || !resolved.has(id)
    const last = page.items.filter(isWanted)[room - 1]
    if (last !== undefined && page.items.at(-1) !== last) {
      // The next page must begin after the last failure that fits. A shorter read gets the storage's cursor for it.
      page = await pageOf(filter, page.items.indexOf(last) + 1, cursor, storage)
    }
    records.push(...page.items.filter(isWanted))
    cursor = page.cursor
  } while (cursor !== null && records.length < limit)
  const items = await named(filter, records, storage)
  return {
    items: items.map((failure) => ({ ...failure, resolvedBy: resolved.get(failure.id) ?? null })),
    cursor: cursors.seal(cursor),
  }
}

function pageOf(
  { query }: CheckedFilter,
  limit: number,
  cursor: string | null,
  storage: StorageCalls,
): Promise<Page<OccurrenceRecord>> {
  return storage.once((calls) => calls.listOccurrences({ ...query, limit, cursor }))
}

async function named(
  { query }: CheckedFilter,
  records: readonly OccurrenceRecord[],
  storage: StorageCalls,
): Promise<readonly ListedOccurrence[]> {
  const names = await namesOf([...new Set(records.map(({ jobId }) => jobId))], storage)
  const shown = query.runs ? await withRunsOfClaim(storage, records) : records
  return shown.map((record) => ({ ...occurrenceOf(record), job: names.get(record.jobId) ?? null }))
}

async function namesOf(ids: readonly JobId[], storage: StorageCalls): Promise<ReadonlyMap<JobId, string>> {
  const names = new Map<JobId, string>()
  for (let start = 0; start < ids.length; start += pageSize) {
    const { jobs } = await storage.once((calls) => calls.get({ jobs: ids.slice(start, start + pageSize) }))
    for (const job of jobs) if (job !== null) names.set(job.id, job.name)
  }
  return names
}
