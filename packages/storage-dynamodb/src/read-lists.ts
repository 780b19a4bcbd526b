import type { JobId } from '@jobistemer/core'
import type { OccurrenceAddress } from '@jobistemer/core/storage'
import { type Item, numberOf, optionalNumber, text } from './attributes.ts'
import type { StoredHead } from './job-item.ts'
import { addressOfKey, type Key } from './keys.ts'
import { ordinary, parseLiveList, type Waiting } from './live-list.ts'
import { keyOf } from './occurrence-item.ts'
import { keyItem } from './requests.ts'
import { loadHead, type Table } from './table.ts'

/** Pages of active occurrences. One that has been removed meanwhile is empty. */
export async function readPages(
  { requests, keys }: Table,
  job: JobId,
  pages: readonly number[],
): Promise<readonly (readonly OccurrenceAddress[])[]> {
  const wanted = pages.map((page) => keys.activePage(job, page))
  const found = await requests.getAll(wanted)
  return wanted.map((key) => parseLiveList(job, found.get(key)?.l?.B))
}

export function pageKeys({ keys }: Table, { id, pages: { from, to } }: StoredHead): readonly Key[] {
  return Array.from({ length: to - from }, (_, index) => keys.activePage(id, from + index))
}

/** Queued occurrences that the head does not list, in the order of waking, behind `after`. */
export async function queryQueue(
  { requests, keys }: Table,
  job: JobId,
  after: Waiting | null,
  limit: number,
): Promise<{ readonly entries: readonly Waiting[]; readonly isLast: boolean }> {
  const { items, last } = await requests.query({
    KeyConditionExpression: 'pk = :pk',
    ExpressionAttributeValues: { ':pk': text(keys.queue(job)) },
    ConsistentRead: true,
    ...(Number.isFinite(limit) && { Limit: limit }),
    ...(after !== null && { ExclusiveStartKey: keyItem(keys.queued(after)) }),
  })
  return { entries: items.map(waitingIn), isLast: last === null }
}

function waitingIn(item: Item): Waiting {
  const priority = optionalNumber(item, 'p')
  const scheduledAt = numberOf(item, 't')
  return { ...addressOfKey(keyOf(item)), scheduledAt, details: priority === null ? ordinary : { priority } }
}

/** A head, with what lives of the job as it lists it: some may have ended, and no live one is missing. */
export interface WholeLists {
  readonly head: StoredHead
  readonly active: readonly OccurrenceAddress[]
  readonly queued: readonly OccurrenceAddress[]
}

/** Reads all lists of a job. A step may move entries meanwhile, so it reads the head before and after the rest. */
export async function readWholeLists(table: Table, job: JobId): Promise<WholeLists | null> {
  const before = await loadHead(table, job)
  if (before === null) return null
  const { pages, queuedBeyond } = before
  if (pages.entries === 0 && queuedBeyond === 0) return { head: before, active: before.active, queued: before.queued }
  const numbers = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index)
  const [lists, beyond] = await Promise.all([
    readPages(table, job, numbers(pages.from, pages.to)),
    queuedBeyond === 0 ? [] : readWholeQueue(table, job),
  ])
  const head = (await loadHead(table, job)) ?? before
  const added = await readPages(table, job, numbers(pages.to, head.pages.to))
  return {
    head,
    active: distinct([...before.active, ...lists.flat(), ...head.active, ...added.flat()]),
    queued: distinct([...before.queued, ...beyond, ...head.queued]),
  }
}

async function readWholeQueue(table: Table, job: JobId): Promise<readonly Waiting[]> {
  const found: Waiting[] = []
  for (let isRead = false; !isRead; ) {
    const { entries, isLast } = await queryQueue(table, job, found.at(-1) ?? null, Number.POSITIVE_INFINITY)
    for (const entry of entries) found.push(entry)
    isRead = isLast
  }
  return found
}

function distinct(entries: readonly OccurrenceAddress[]): readonly OccurrenceAddress[] {
  return [...new Map(entries.map((entry) => [entry.id, entry])).values()]
}
