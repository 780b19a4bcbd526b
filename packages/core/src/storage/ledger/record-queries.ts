import type { JobRecord } from '../job-record.ts'
import { isFailure, type OccurrenceRecord } from '../occurrence-record.ts'
import type { JobQuery, OccurrenceQuery, Page } from '../storage.ts'
import { orderAt } from '../rules.ts'
import { compareAddresses } from './step-context.ts'

/** Returns the page of the given jobs that a query asks for. */
export function pageOfJobs(jobs: Iterable<JobRecord>, query: JobQuery): Page<JobRecord> {
  const { changedSince = Number.NEGATIVE_INFINITY, owner, deleted = false, cursor, limit } = query
  const found = [...jobs]
    .filter((job) => (deleted || job.deletedAt === null) && job.changedAt >= changedSince)
    .filter((job) => (owner === undefined || job.owner === owner) && (cursor === null || job.id > cursor))
    .sort((left, right) => (left.id < right.id ? -1 : 1))
  return pageOf(found, limit, ({ id }) => id)
}

/** Returns the page of the given occurrences that a query asks for. */
export function pageOfOccurrences(
  occurrences: Iterable<OccurrenceRecord>,
  query: OccurrenceQuery,
): Page<OccurrenceRecord> {
  const sign = query.kind !== 'live' && query.order === 'descending' ? -1 : 1
  const last = query.cursor === null ? null : readPlace(query.cursor)
  const found = [...occurrences]
    .filter((record) => isAskedFor(record, query))
    .map((record) => ({ at: placeOf(record, query), record }))
    .filter(({ at }) => last === null || sign * compareAddresses(at, last) > 0)
    .sort((left, right) => sign * compareAddresses(left.at, right.at))
  const page = pageOf(found, query.limit, ({ at: { scheduledAt, id } }) => `${scheduledAt} ${id}`)
  return { items: page.items.map(({ record }) => record), cursor: page.cursor }
}

/**
 * Returns the position by which a list sorts an occurrence. In a list of failures: the instant at which the occurrence ended.
 * In a list of waiting occurrences: `orderAt`. In other lists: its scheduled time.
 */
function placeOf(record: OccurrenceRecord, query: OccurrenceQuery): Place {
  const { id, scheduledAt, finishedAt } = record
  if (query.kind === 'failed') return { id, scheduledAt: finishedAt ?? scheduledAt }
  return { id, scheduledAt: query.kind === 'live' && query.state !== 'running' ? orderAt(record) : scheduledAt }
}

function isAskedFor(record: OccurrenceRecord, query: OccurrenceQuery): boolean {
  if (query.kind === 'live') {
    const { state, node, deadlineBefore = Number.POSITIVE_INFINITY } = query
    const isOfNode = node === undefined || record.owner?.node === node
    return record.state === state && isOfNode && (record.deadlineAt ?? Number.NEGATIVE_INFINITY) <= deadlineBefore
  }
  const { jobId, from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = query
  const { scheduledAt: at } = placeOf(record, query)
  const isWanted = query.kind === 'failed' ? isFailure(record.state) : query.states?.includes(record.state) !== false
  return (jobId === undefined || record.jobId === jobId) && at >= from && at < to && isWanted
}

type Place = Pick<OccurrenceRecord, 'scheduledAt'> & { readonly id: string }

function readPlace(cursor: string): Place {
  const space = cursor.indexOf(' ')
  return { scheduledAt: Number(cursor.slice(0, space)), id: cursor.slice(space + 1) }
}

/** Returns a page of the first `limit` items. If more items were found, the page has the cursor of its last item. */
export function pageOf<T>(found: readonly T[], limit: number, cursorOf: (item: T) => string): Page<T> {
  const items = found.slice(0, limit)
  const last = items.at(-1)
  return { items, cursor: found.length > limit && last !== undefined ? cursorOf(last) : null }
}
