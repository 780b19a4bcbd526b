import type { JobId } from '@jobistemer/core'
import type { OccurrenceAddress } from '@jobistemer/core/storage'
import { type Item, numberOf, optionalNumber } from './attributes.ts'
import type { StoredHead } from './job-item.ts'
import { addressOfKey, keyItem, keyOf } from './keys.ts'
import { ordinary, parseLiveList, type Waiting } from './live-list.ts'
import { loadHead, type Table } from './table.ts'
import { partitionQuery } from './requests.ts'

/**
 * Reads pages `from` to `to - 1` of active occurrences. If a step has removed a page in the meantime, the answer
 * contains an empty page.
 */
export async function readPages(
  { requests, keys }: Table,
  job: JobId,
  range: { readonly from: number; readonly to: number },
): Promise<readonly (readonly OccurrenceAddress[])[]> {
  const wanted = keys.activePages(job, range)
  const found = await requests.getAll(wanted)
  return wanted.map((key) => parseLiveList(job, found.get(key)?.l?.B))
}

/** Returns queued occurrences that the head does not list, in the order of waking, after the sort key `after`. */
export async function queryQueue(
  { requests, keys }: Table,
  job: JobId,
  after: string | null,
  limit: number = Number.POSITIVE_INFINITY,
  order: 'ascending' | 'descending' = 'ascending',
): Promise<{ readonly entries: readonly Waiting[]; readonly isLast: boolean }> {
  const { items, last } = await requests.query({
    ...partitionQuery(keys.queue(job)),
    ScanIndexForward: order === 'ascending',
    ...(Number.isFinite(limit) && { Limit: limit }),
    ...(after !== null && { ExclusiveStartKey: keyItem({ pk: keys.queue(job), sk: after }) }),
  })
  return { entries: items.map(waitingIn), isLast: last === null }
}

function waitingIn(item: Item): Waiting {
  const priority = optionalNumber(item, 'p')
  const scheduledAt = numberOf(item, 't')
  return { ...addressOfKey(keyOf(item)), scheduledAt, details: priority === null ? ordinary : { priority } }
}

/**
 * The addresses of a job's live occurrences, from all lists of the job. Queued occurrences behind `cutAt` may be
 * missing. Some of the listed occurrences may have ended.
 */
export interface WholeLists {
  readonly head: StoredHead
  readonly active: readonly OccurrenceAddress[]
  readonly queued: readonly OccurrenceAddress[]
  /**
   * The last occurrence, in the order of the page, up to which `queued` is complete; `null` if `queued` contains all
   * queued occurrences.
   */
  readonly cutAt: OccurrenceAddress | null
}

/**
 * Which queued occurrences outside of the head a page needs. If a queued occurrence may have a priority, the reader
 * ignores these limits and reads all of them.
 */
export interface QueuePage {
  /** A sort key of the job's history: the page continues after this key. */
  readonly after: string | null
  readonly limit: number
  readonly order: 'ascending' | 'descending'
}

/**
 * Reads the lists of a job; `page: null` omits queued occurrences that the head does not list. A step may move entries
 * during the read, so this function reads the head before and after the other items.
 */
export async function readWholeLists(table: Table, job: JobId, page: QueuePage | null): Promise<WholeLists | null> {
  const before = await loadHead(table, job)
  if (before === null) return null
  const { pages, queuedBeyond } = before
  if (pages.entries === 0 && queuedBeyond === 0) return { ...before, head: before, cutAt: null }
  const [lists, beyond] = await Promise.all([readPages(table, job, pages), readQueue(table, before, page)])
  const head = (await loadHead(table, job)) ?? before
  const added = await readPages(table, job, { from: pages.to, to: head.pages.to })
  return {
    head,
    active: distinct([...before.active, ...lists.flat(), ...head.active, ...added.flat()]),
    queued: distinct([...before.queued, ...beyond.entries, ...head.queued]),
    cutAt: beyond.isLast ? null : (beyond.entries.at(-1) ?? null),
  }
}

async function readQueue(table: Table, head: StoredHead, page: QueuePage | null) {
  const { id, queuedBeyond, hasPriorities, planParts } = head
  // While a large step is still being written, the queue may hold occurrences in other states.
  if (queuedBeyond === 0 || (page === null && planParts === 0)) return { entries: [], isLast: true }
  if (page !== null && !hasPriorities) return await queryQueue(table, id, page.after, page.limit, page.order)
  const entries: Waiting[] = []
  for (let isLast = false; !isLast; ) {
    const last = entries.at(-1)
    const some = await queryQueue(table, id, last === undefined ? null : table.keys.queued(last).sk)
    for (const entry of some.entries) entries.push(entry)
    isLast = some.isLast
  }
  return { entries, isLast: true }
}

function distinct(entries: readonly OccurrenceAddress[]): readonly OccurrenceAddress[] {
  return [...new Map(entries.map((entry) => [entry.id, entry])).values()]
}
