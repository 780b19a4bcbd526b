import { fewestPerRead } from '../../tuning.ts'
import {
  orDefault,
  readBoolean,
  readChoice,
  readChoices,
  readInteger,
  readName,
  readObject,
} from '../../configuration/read-value.ts'
import { backfillOccurrenceId, type JobId, jobId, type OccurrenceId, replayOccurrenceId } from '../../ids.ts'
import type { ListPage } from '../../listing.ts'
import { type Failure, type ListedOccurrence, occurrenceOf } from '../../occurrence.ts'
import {
  finalStates,
  type LiveState,
  liveStates,
  type OccurrenceRecord,
  type OccurrenceState,
  slotOf,
} from '../../storage/occurrence-record.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { withRunsOfClaim } from './explain.ts'
import { invalidValue } from '../../errors.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import { readJobName } from '../../job/read-jobs.ts'
import type { FailuresFilter, LiveFilter, OccurrenceFilter } from '../../job-operations.ts'
import { filledPage, namesOf, numberedRecords, type OmitFromEach, openCursor, sealCursor } from './list-pages.ts'
import type { UnpagedQuery } from './list-pages.ts'

/** Returns a page of occurrences with the names of their jobs. The name is `null` if the job is not in the storage. */
export function listOccurrences(filter: CheckedFilter, storage: StorageCalls): Promise<ListPage<ListedOccurrence>> {
  return pageOf(filter, storage, 1, async (records) => records.map((record) => ({ record, more: {} })))
}

/** Returns a page of failures. `resolvedBy` is the run that resolved the failure, or `null`. */
export function listFailures(filter: CheckedFilter, storage: StorageCalls): Promise<ListPage<Failure>> {
  const leavesOutResolved = filter.leavesOutResolved === true
  return pageOf(filter, storage, leavesOutResolved ? fewestPerRead : 1, async (records) => {
    const resolved = await resolutionsOf(storage, records)
    const all = records.map((record) => ({ record, more: { resolvedBy: resolved.get(record.id) ?? null } }))
    return leavesOutResolved ? all.filter(({ more }) => more.resolvedBy === null) : all
  })
}

/** Returns a page of the records that `choose` returns, each with the members `more` beside those of any list. */
async function pageOf<More>(
  { query, limit, cursor: from, list }: CheckedFilter,
  storage: StorageCalls,
  least: number,
  choose: (records: readonly OccurrenceRecord[]) => Promise<readonly { record: OccurrenceRecord; more: More }[]>,
): Promise<ListPage<ListedOccurrence & More>> {
  const read = (size: number, cursor: string | null) =>
    storage.once((calls) => calls.listOccurrences({ ...query, limit: size, cursor }))
  const { items, cursor } = await filledPage({ limit, from, least, read, choose })
  const records = items.map(({ record }) => record)
  const ids = records.map(({ jobId }) => jobId)
  const names = await namesOf(ids, storage)
  const shown = query.runs ? await withRunsOfClaim(storage, records) : records
  const listed = items.map(({ more }, index) => {
    const record = shown[index] as OccurrenceRecord
    return { ...occurrenceOf(record), job: names.get(record.jobId) ?? null, ...more }
  })
  return { items: listed, cursor: sealCursor(list, cursor) }
}

/** A validated filter of a list of occurrences, with the query for the storage. */
export interface CheckedFilter {
  /** The storage query, without limit and cursor. */
  readonly query: UnpagedQuery
  readonly limit: number
  /** The storage's cursor at which the page begins. */
  readonly cursor: string | null
  /** The name of the list, and its filter without `limit`, `cursor` and `tasks`. */
  readonly list: unknown
  /** Whether a list of failures omits resolved failures. Default false. */
  readonly leavesOutResolved?: boolean
}

const states: readonly OccurrenceState[] = [...liveStates, ...finalStates]
const orders = ['ascending', 'descending'] as const
const pageNames = ['tasks', 'limit', 'cursor']

/**
 * Validates the filter of a list of occurrences. @throws JobistemerError `INVALID_NAME`, `INVALID_INSTANT`,
 * `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function readOccurrenceFilter(filter: OccurrenceFilter): CheckedFilter {
  readObject(filter, 'filter', ['job', 'from', 'to', 'states', 'order', ...pageNames])
  return withPage(filter, {
    kind: 'job',
    jobId: jobIdOf(filter.job),
    order: readChoice(orDefault(filter.order, 'ascending'), orders, 'filter.order'),
    ...boundsOf(filter),
    ...(filter.states !== undefined && { states: readChoices(filter.states, states, 'filter.states') }),
  })
}

/**
 * Validates the filter of a list of failures. @throws JobistemerError `INVALID_NAME`, `INVALID_INSTANT`,
 * `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function readFailuresFilter(filter: FailuresFilter): CheckedFilter {
  readObject(filter, 'filter', ['job', 'from', 'to', 'order', 'includeResolved', ...pageNames])
  const checked = withPage(filter, {
    kind: 'failed',
    order: readChoice(orDefault(filter.order, 'descending'), orders, 'filter.order'),
    ...(filter.job !== undefined && { jobId: jobIdOf(filter.job) }),
    ...boundsOf(filter),
  })
  const includesResolved = readBoolean(orDefault(filter.includeResolved, false), 'filter.includeResolved')
  return { ...checked, leavesOutResolved: !includesResolved }
}

/**
 * Validates the filter of a list of live occurrences. @throws JobistemerError `INVALID_NAME`, `INVALID_ARGUMENT`,
 * `UNKNOWN_OPTION`
 */
export function readLiveFilter(filter: LiveFilter): CheckedFilter {
  readObject(filter, 'filter', ['state', 'node', ...pageNames])
  const state: LiveState = readChoice(orDefault(filter.state, 'running'), liveStates, 'filter.state')
  const { node } = filter
  if (node !== undefined && state !== 'running') {
    const remedy = "Leave it out, or ask for the state 'running'."
    throw invalidValue('filter.node', `selects no ${state} occurrences, because they belong to no node`, node, remedy)
  }
  return withPage(filter, { kind: 'live', state, ...(node !== undefined && { node: readName(node, 'filter.node') }) })
}

/**
 * Adds limit and cursor to a query. The digest in the cursor excludes `limit` and `tasks`, which may change from page to
 * page.
 */
function withPage(
  { tasks, limit, cursor }: Pick<OccurrenceFilter, 'tasks' | 'limit' | 'cursor'>,
  query: OmitFromEach<UnpagedQuery, 'runs'>,
): CheckedFilter {
  const list = ['occurrences', query]
  return {
    query: { ...query, runs: readBoolean(orDefault(tasks, true), 'filter.tasks') } as UnpagedQuery,
    limit: readInteger(orDefault(limit, 100), 'filter.limit', 1, 1_000_000),
    cursor: openCursor(list, cursor),
    list,
  }
}

function jobIdOf(name: string): JobId {
  return jobId(readJobName(name, 'filter.job'))
}

/** Omits absent bounds, because the storage protocol forbids members with the value `undefined`. */
function boundsOf({ from, to }: { readonly from?: InstantInput; readonly to?: InstantInput }) {
  return {
    ...(from !== undefined && { from: toInstantMs(from, 'filter.from') }),
    ...(to !== undefined && { to: toInstantMs(to, 'filter.to') }),
  }
}

/**
 * Returns the id of the occurrence that a replay runs again. For a replay of a replay, goes back to the first original. Returns
 * an occurrence's own id if it is no replay.
 */
export function rootOf({ id, kind, details }: Pick<OccurrenceRecord, 'id' | 'kind' | 'details'>): OccurrenceId {
  return kind === 'replay' ? (details.root ?? details.replayOf ?? id) : id
}

/** Returns the runs that resolve failures, by the ids of the failures. */
async function resolutionsOf(
  storage: StorageCalls,
  failures: readonly OccurrenceRecord[],
): Promise<ReadonlyMap<OccurrenceId, OccurrenceId>> {
  const found = new Map<OccurrenceId, OccurrenceId>()
  for (const seriesOf of [replaysOf, backfillRunsOf]) {
    const some = failures.filter((failure) => seriesOf(failure) !== null)
    const records = await numberedRecords(
      storage,
      some.flatMap((failure) => seriesOf(failure) ?? []),
    )
    for (const [index, failure] of some.entries()) {
      const resolving = records[index]?.find((record) => makesUpFor(record, failure))
      if (resolving !== undefined) found.set(failure.id, resolving.id)
    }
  }
  return found
}

function replaysOf(failure: OccurrenceRecord) {
  const root = rootOf(failure)
  return (number: number): OccurrenceId => replayOccurrenceId(root, number)
}

/** Returns the ids of the backfill runs for the slot of a failure; `null` for a failure of another kind. */
function backfillRunsOf({ jobId, kind, scheduledAt, details }: OccurrenceRecord) {
  if (details.span !== undefined || (kind === 'trigger' && details.backfill === undefined)) return null
  const slot = slotOf(details) ?? scheduledAt
  return (number: number): OccurrenceId => backfillOccurrenceId(jobId, slot, number)
}

function makesUpFor({ state, finishedAt, kind, details }: OccurrenceRecord, failure: OccurrenceRecord): boolean {
  if (state !== 'completed' || (finishedAt ?? 0) < (failure.finishedAt ?? 0)) return false
  return details.isPartial !== true && (kind === 'replay' || details.tasks === undefined)
}
