import type { JobId } from '@jobistemer/core'
import type { DuePage, DueQuery, OccurrenceRecord, Owner } from '@jobistemer/core/storage'
import type { Item } from './attributes.ts'
import { jobOfKey } from './keys.ts'
import { hintOf, type LiveHint, liveQuery, queryGroup, shardsOf } from './live-index.ts'
import { bySchedule } from './live-list.ts'
import { keyOf } from './occurrence-item.ts'
import { loadOccurrences, type Table } from './table.ts'

/** How many pending ones of each partition of the index are looked at together, at least. */
const leastHints = 50

/** Where the search for what is due goes on. */
interface DuePlace {
  /** The partitions that may have more, each with the place after which it goes on. */
  readonly starts: readonly { readonly shard: number; readonly start: Item | null }[]
  /** The earliest instant after now that was seen so far. */
  readonly next: number | null
}

/** What the index says is due. A page has up to `limit` of each partition, those of least `scheduledAt` first. */
export async function findDue(
  table: Table,
  { now }: DueQuery,
  { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
): Promise<DuePage> {
  const beginning: DuePlace = { starts: shardsOf('pending').map((shard) => ({ shard, start: null })), next: null }
  const place = cursor === null ? beginning : (JSON.parse(cursor) as DuePlace)
  const pages = await Promise.all(
    place.starts.map(async ({ shard, start }) => {
      const { items, last } = await table.requests.query({
        ...liveQuery(table, 'pending', shard),
        Limit: Math.max(leastHints, limit),
        ...(start !== null && { ExclusiveStartKey: start }),
      })
      return { shard, hints: items.map(hintOf), last }
    }),
  )
  const hints = pages.flatMap((page) => page.hints)
  const next = leastOf(place.next, ...hints.map(({ order }) => order).filter((order) => order > now))
  const occurrences = hints.filter(({ order }) => order <= now).sort(bySchedule)
  const starts = pages
    .filter((page) => page.last !== null && page.hints.every(({ order }) => order <= now))
    .map(({ shard, last }) => ({ shard, start: last }))
  if (starts.length === 0) return { occurrences, cursor: null, nextDueAt: next }
  return { occurrences, cursor: JSON.stringify({ starts, next } satisfies DuePlace) }
}

/** When the next one becomes due; a paused job's, too. */
export async function findNextDue(table: Table, { now }: DueQuery): Promise<number | null> {
  const pages = await Promise.all(
    shardsOf('pending').map(async (shard) => {
      return await table.requests.query({ ...liveQuery(table, 'pending', shard, { from: now + 1 }), Limit: 1 })
    }),
  )
  return leastOf(null, ...pages.flatMap(({ items }) => items.map((item) => hintOf(item).order)))
}

function leastOf(...instants: readonly (number | null)[]): number | null {
  const known = instants.filter((instant) => instant !== null)
  return known.length === 0 ? null : Math.min(...known)
}

/** Running occurrences of exactly this owner that are to be canceled. */
export async function findCancelRequested(table: Table, owner: Owner): Promise<readonly OccurrenceRecord[]> {
  const hints: LiveHint[] = []
  for await (const item of queryGroup(table, 'canceling')) hints.push(hintOf(item))
  const stored = await loadOccurrences(table, hints)
  return stored
    .flatMap((found) => found?.record ?? [])
    .filter(
      ({ state, owner: theirs }) =>
        state === 'running' && theirs?.node === owner.node && theirs.incarnation === owner.incarnation,
    )
    .sort(bySchedule)
}

/**
 * Jobs that have queued occurrences: they may have no active one, as a damaged table may leave behind, or some that are to
 * be canceled; and those whose last step was large and has not been carried out: its node has died. A step on either mends
 * it.
 */
export async function findStranded(table: Table): Promise<readonly JobId[]> {
  const jobs = new Set<JobId>()
  for await (const item of queryGroup(table, 'queued')) jobs.add(hintOf(item).jobId)
  const plans = {
    ...liveQuery(table, 'pending', 0),
    ExpressionAttributeValues: { ':place': { S: table.keys.planPartition } },
  }
  for await (const item of table.requests.queryAll(plans)) jobs.add(jobOfKey(keyOf(item)))
  return [...jobs]
}
