import type { JobId } from '@jobistemer/core'
import type { OccurrenceAddress } from '@jobistemer/core/storage'
import { type Item, numberOf, optionalNumber, text } from './attributes.ts'
import type { StoredHead } from './job-item.ts'
import { addressOfKey } from './keys.ts'
import { ordinary, parseLiveList, type Waiting } from './live-list.ts'
import { keyOf } from './occurrence-item.ts'
import { keyItem } from './requests.ts'
import { loadHead, type Table } from './table.ts'

/** Reads pages `from` to `to - 1` of active occurrences. A page that a step has removed meanwhile is empty. */
export async function readPages(
  { requests, keys }: Table,
  job: JobId,
  range: { readonly from: number; readonly to: number },
): Promise<readonly (readonly OccurrenceAddress[])[]> {
  const wanted = keys.activePages(job, range)
  const found = await requests.getAll(wanted)
  return wanted.map((key) => parseLiveList(job, found.get(key)?.l?.B))
}

/** Queued occurrences that the head does not list, in the order of waking, behind `after`. */
export async function queryQueue(
  { requests, keys }: Table,
  job: JobId,
  after: Waiting | null,
  limit: number = Number.POSITIVE_INFINITY,
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

/** All lists of a job. They contain each live occurrence, and some that have ended. */
export interface WholeLists {
  readonly head: StoredHead
  readonly active: readonly OccurrenceAddress[]
  readonly queued: readonly OccurrenceAddress[]
}

/** Reads all lists of a job. A step may move entries meanwhile, so this reads the head before and after the rest. */
export async function readWholeLists(table: Table, job: JobId): Promise<WholeLists | null> {
  const before = await loadHead(table, job)
  if (before === null) return null
  const { pages, queuedBeyond } = before
  if (pages.entries === 0 && queuedBeyond === 0) return { head: before, active: before.active, queued: before.queued }
  const [lists, beyond] = await Promise.all([readPages(table, job, pages), readWholeQueue(table, before)])
  const head = (await loadHead(table, job)) ?? before
  const added = await readPages(table, job, { from: pages.to, to: head.pages.to })
  return {
    head,
    active: distinct([...before.active, ...lists.flat(), ...head.active, ...added.flat()]),
    queued: distinct([...before.queued, ...beyond, ...head.queued]),
  }
}

async function readWholeQueue(table: Table, { id, queuedBeyond }: StoredHead): Promise<readonly Waiting[]> {
  const found: Waiting[] = []
  for (let isRead = queuedBeyond === 0; !isRead; ) {
    const { entries, isLast } = await queryQueue(table, id, found.at(-1) ?? null)
    for (const entry of entries) found.push(entry)
    isRead = isLast
  }
  return found
}

function distinct(entries: readonly OccurrenceAddress[]): readonly OccurrenceAddress[] {
  return [...new Map(entries.map((entry) => [entry.id, entry])).values()]
}
