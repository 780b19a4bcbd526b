import type { JobId } from '@jobistemer/core'
import {
  compareAddresses,
  compareOrder,
  type DuePage,
  type DueQuery,
  type OccurrenceRecord,
  type Owner,
} from '@jobistemer/core/storage'
import type { Item } from './attributes.ts'
import { jobOfKey, keyOf } from './keys.ts'
import { hintOf, isMarker, type LiveHint, liveQuery, partitionsOf, queryGroup } from './live-index.ts'
import { loadOccurrences, type Table } from './table.ts'

/** Minimum number of pending occurrences that a page reads from each partition of the index. */
const leastHints = 50
const mostHints = 1000

/** The position from which the search for due occurrences continues. */
interface DuePlace {
  /** The partitions that may contain more occurrences, each with the key after which the search continues. */
  readonly starts: readonly DueStart[]
  /** The earliest future due instant that the search has seen so far. */
  readonly next: number | null
  /** Number of occurrences that the next page reads from each partition. */
  readonly ahead: number
}

/** A partition of pending occurrences, and the key after which the search continues in this partition. */
interface DueStart {
  readonly shard: number
  readonly level: number
  readonly start: Item | null
}

interface PartitionPage extends DueStart {
  readonly hints: readonly LiveHint[]
  readonly last: Item | null
}

/**
 * Returns the occurrences that are due according to the index, in the order of waiting occurrences.
 *
 * The first `limit` occurrences of a page precede all other due occurrences in this order, for two reasons:
 * - Each partition of the index has the pending occurrences of one priority level, sorted by due instants. Within one
 *   level, this is also the order of waiting occurrences.
 * - A page reads at least `limit` occurrences of each partition.
 */
export async function findDue(
  table: Table,
  { now }: DueQuery,
  { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
): Promise<DuePage> {
  const place = cursor === null ? null : (JSON.parse(cursor) as DuePlace)
  // A page may contain only occurrences of paused jobs, and the table may hold thousands of them. So each page reads twice as
  // many occurrences as the previous page.
  const ahead = Math.max(place?.ahead ?? leastHints, limit)
  const pages = place === null ? await beginSearch(table, ahead) : await askAll(table, place.starts, ahead)
  const hints = pages.flatMap((page) => page.hints)
  const next = leastOf(place?.next ?? null, ...hints.map(({ order }) => order).filter((order) => order > now))
  const due = hints.filter(({ order }) => order <= now).sort(compareOrder)
  const occurrences = due.map((hint) => ({ ...hint, dueAt: hint.order }))
  const starts = pages
    .filter((page) => page.last !== null && page.hints.every(({ order }) => order <= now))
    .map(({ shard, level, last }) => ({ shard, level, start: last }))
  if (starts.length === 0) return { occurrences, cursor: null, nextDueAt: next }
  const following = Math.min(2 * ahead, mostHints)
  return { occurrences, cursor: JSON.stringify({ starts, next, ahead: following } satisfies DuePlace) }
}

/**
 * Reads the first page of each partition of the priority levels that this process knows. The first partition of level 0
 * also has markers, which name all used levels. Then reads the partitions of the levels that only the markers name.
 */
async function beginSearch(table: Table, ahead: number): Promise<readonly PartitionPage[]> {
  const asked = [0, ...table.levels.known]
  const pages = await askAll(table, asked.flatMap(startsOf), ahead)
  const news = table.levels.known.filter((level) => !asked.includes(level))
  return news.length === 0 ? pages : [...pages, ...(await askAll(table, news.flatMap(startsOf), ahead))]
}

function startsOf(level: number): readonly DueStart[] {
  return partitionsOf('pending', level).map(({ shard }) => ({ shard, level, start: null }))
}

async function askAll(table: Table, starts: readonly DueStart[], ahead: number): Promise<readonly PartitionPage[]> {
  return await Promise.all(starts.map(async (start) => await ask(table, start, ahead)))
}

async function ask(table: Table, place: DueStart, ahead: number): Promise<PartitionPage> {
  const { shard, level, start } = place
  const hasMarkers = level === 0 && shard === 0 && start === null
  const { items, last } = await table.requests.query({
    ...liveQuery(table, { group: 'pending', shard, level }),
    Limit: ahead + (hasMarkers ? table.levels.known.length : 0),
    ...(start !== null && { ExclusiveStartKey: start }),
  })
  if (hasMarkers) table.levels.saw(items)
  const found = hasMarkers ? items.filter((item) => !isMarker(item)) : items
  return { ...place, hints: found.map(hintOf), last }
}

/** Returns the instant at which the next pending occurrence becomes due, even if its job is paused. */
export async function findNextDue(table: Table, { now }: DueQuery): Promise<number | null> {
  const partitions = [0, ...table.levels.known].flatMap((level) => partitionsOf('pending', level))
  const pages = await Promise.all(
    partitions.map(async (partition) => {
      return await table.requests.query({ ...liveQuery(table, partition, { from: now + 1 }), Limit: 1 })
    }),
  )
  return leastOf(null, ...pages.flatMap(({ items }) => items.map((item) => hintOf(item).order)))
}

function leastOf(...instants: readonly (number | null)[]): number | null {
  const known = instants.filter((instant) => instant !== null)
  return known.length === 0 ? null : Math.min(...known)
}

/** Returns the running occurrences of this node incarnation that have a cancel request. The records contain no task runs. */
export async function findCancelRequested(table: Table, owner: Owner): Promise<readonly OccurrenceRecord[]> {
  const hints: LiveHint[] = []
  for await (const item of queryGroup(table, 'canceling')) hints.push(hintOf(item))
  // Reads no task runs: a cancellation does not need them, and each poll of each node makes this read.
  const stored = await loadOccurrences(table, hints, { runs: false })
  return stored
    .flatMap((found) => found?.record ?? [])
    .filter(
      ({ state, owner: theirs }) =>
        state === 'running' && theirs?.node === owner.node && theirs.incarnation === owner.incarnation,
    )
    .sort(compareAddresses)
}

/**
 * Returns the jobs with queued occurrences, and the jobs with an unfinished plan. A plan lists the remaining writes of a
 * large step. The next step on a job completes the job's plan, if there is one, and wakes or cancels occurrences.
 */
export async function findStranded(table: Table): Promise<readonly JobId[]> {
  const jobs = new Set<JobId>()
  for await (const item of queryGroup(table, 'queued')) jobs.add(hintOf(item).jobId)
  const plans = {
    ...liveQuery(table, { group: 'pending', shard: 0 }),
    ExpressionAttributeValues: { ':place': { S: table.keys.planPartition } },
  }
  for await (const item of table.requests.queryAll(plans)) jobs.add(jobOfKey(keyOf(item).pk))
  return [...jobs]
}
