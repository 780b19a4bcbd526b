import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  addressOf,
  compareOrder,
  isFinal,
  type OccurrenceAddress,
  type OccurrenceWrite,
} from '@jobistemer/core/storage'
import { type Item, numberOf, optionalNumber } from './attributes.ts'
import {
  firstLookAt,
  type LiveLists,
  noLists,
  ordinary,
  parseLiveList,
  printLiveList,
  type StoredHead,
  type Waiting,
  waitingOf,
} from './job-item.ts'
import type { JobReading } from './job-reading.ts'
import { addressOfKey, keyItem, keyOf } from './keys.ts'
import { moveInQueue, put, type QueueMove, type QueueMoves, remove } from './record-writes.ts'
import { groupsOf, partitionQuery } from './requests.ts'
import { loadHead, type Table } from './table.ts'

// Each step pays for the size of the head, so the head lists a limited number of live occurrences. Further active
// occurrences are in separate items, which most steps need not read. Each further queued occurrence has its own item.

/**
 * Number of entries in a page: an item for active occurrences that the head does not list. A full page with a prefix of up to 64
 * characters is just below 4 KB, the size of a DynamoDB read request unit.
 */
const pageSize = 165
/** Maximum number of pages of active occurrences that a step adds. The limit keeps the step's transaction below 100 items. */
const mostNewPages = 10
/**
 * Maximum number of active occurrences in the head of a job whose overlap policy limits their number: 192 KB of an item's 400
 * KB.
 */
const mostListed = 8000
/** Maximum number of queued occurrences in a head. Each further queued occurrence gets a separate item. */
const mostQueued = 64
/** Number of queued occurrences that a step moves into the head when the head's list of queued occurrences is empty. */
const refill = 32

type Changes = ReadonlyMap<OccurrenceId, OccurrenceWrite>

/** The lists of live occurrences that a head has after a step, and the writes that store these lists. */
interface ListsAfter {
  readonly lists: LiveLists
  readonly moves: QueueMoves
  /**
   * The writes of pages and of queue items. A page is an item that lists active occurrences. A queue item has one queued
   * occurrence that the head does not list. If the step writes the occurrence's record, `moves` contains the change of the
   * queue item, and `writes` does not.
   */
  readonly writes: readonly TransactWriteItem[]
}

/** Returns the lists of live occurrences that a head has after a step. `head`: the new head with its old lists. */
export async function listsAfter(
  table: Table,
  job: JobReading,
  head: StoredHead,
  occurrences: readonly OccurrenceWrite[],
): Promise<ListsAfter> {
  const changes = new Map(occurrences.map((change) => [change.after.id, change]))
  const active = await activeAfter(table, job, head, changes)
  const queue = await queueAfter(table, job, changes)
  return { lists: { ...active.lists, ...queue.lists }, moves: queue.moves, writes: [...active.writes, ...queue.writes] }
}

async function activeAfter(table: Table, job: JobReading, head: StoredHead, changes: Changes) {
  // Under `allow`, a step needs no lists of active occurrences for its decision. So the step has not checked yet which listed
  // occurrences have ended. If the head lists at least `lookAt` occurrences, the step now removes the ended ones from the
  // lists.
  const tidies = !job.hasLooked && head.active.length >= head.lookAt
  if (tidies) await job.lookAtActive(() => job.hasTidied)
  const { listed, pages: left } = job.leftOfLists()
  const live = [...changes.values()].filter(({ after: { state } }) => !isFinal(state) && state !== 'queued')
  const all = [...listed.filter(({ id }) => !changes.has(id)), ...live.map(({ after }) => addressOf(after))]
  const room = roomFor(head)
  const isCrowded = all.length > (job.hasLooked ? room / 2 : 2 * room)
  const added = isCrowded ? groupsOf(all, Math.max(pageSize, Math.ceil(all.length / mostNewPages))) : []
  const entries = left.entries + (isCrowded ? all.length : 0)
  const next = entries > 0 ? room : Math.min(room, Math.max(firstLookAt, 2 * listed.length))
  const lists = {
    active: isCrowded ? [] : all,
    pages: { from: left.from, to: left.to + added.length, entries },
    lookAt: tidies || isCrowded ? next : job.hasLooked ? Math.min(head.lookAt, next) : head.lookAt,
  }
  const { keys } = table
  const gone = keys.activePages(head.id, { from: head.pages.from, to: left.from })
  const places = keys.activePages(head.id, { from: left.to, to: lists.pages.to })
  const writes: TransactWriteItem[] = [
    ...gone.map((key) => remove(table, key)),
    ...places.map((key, index) => put(table, { ...keyItem(key), l: { B: printLiveList(added[index] ?? []) } })),
  ]
  return { lists, writes }
}

/** Returns the maximum number of active occurrences that the head of this job lists. */
function roomFor({ overlap: { policy, maxConcurrency = 1 } }: StoredHead): number {
  // Under `allow`, no step counts active occurrences. So the head lists at most `pageSize` active occurrences, and pages list
  // the further active occurrences.
  return policy === 'allow' ? pageSize : Math.min(mostListed, Math.max(pageSize, 2 * maxConcurrency))
}

async function queueAfter(table: Table, job: JobReading, changes: Changes) {
  const { queued: before, queuedBeyond, hasPriorities } = job.head ?? noLists
  const unchanged = (entries: readonly Waiting[]) => entries.filter(({ id }) => !changes.has(id))
  const added = [...changes.values()]
    .filter(({ after }) => after.state === 'queued')
    .map(({ after }) => waitingOf(after))
  const last = before.at(-1)
  const isFirst = (entry: Waiting) => queuedBeyond === 0 || (last !== undefined && compareOrder(entry, last) <= 0)
  let first = [...unchanged(before), ...added.filter(isFirst)].sort(compareOrder).slice(0, mostQueued)
  if (first.length === 0 && queuedBeyond > 0) {
    const further = await job.readQueuedBeyond(refill + changes.size)
    first = [...unchanged(further), ...added].sort(compareOrder).slice(0, refill)
  }
  const wasFirst = new Set(before.map(({ id }) => id))
  const isListed = new Set(first.map(({ id }) => id))
  const moves = new Map<OccurrenceId, QueueMove>()
  for (const [id, { before: stored, after }] of changes) {
    const wasBeyond = stored?.record.state === 'queued' && !wasFirst.has(id)
    const isBeyond = after.state === 'queued' && !isListed.has(id)
    if (wasBeyond !== isBeyond) moves.set(id, isBeyond ? 'add' : 'remove')
  }
  const left = unchanged(before).filter(({ id }) => !isListed.has(id))
  const entered = first.filter(({ id }) => !wasFirst.has(id) && !changes.has(id))
  const all = [...moves.values(), ...left.map(() => 'add'), ...entered.map(() => 'remove')]
  const count = all.reduce((sum, move) => sum + (move === 'add' ? 1 : -1), queuedBeyond)
  const isPrioritized = [...left, ...added].some(({ details }) => details.priority !== undefined)
  return {
    lists: { queued: first, queuedBeyond: count, hasPriorities: count > 0 && (hasPriorities || isPrioritized) },
    moves,
    writes: [
      ...left.map((entry) => moveInQueue(table, entry, 'add')),
      ...entered.map((entry) => moveInQueue(table, entry, 'remove')),
    ],
  }
}

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
 * The addresses of a job's live occurrences, from all lists of the job. Some listed occurrences may have ended. If `cutAt` is
 * not `null`, the queued occurrences after `cutAt` may be missing.
 */
export interface WholeLists {
  readonly head: StoredHead
  readonly active: readonly OccurrenceAddress[]
  readonly queued: readonly OccurrenceAddress[]
  /** The last occurrence up to which `queued` is complete; `null` if `queued` contains all queued occurrences. */
  readonly cutAt: OccurrenceAddress | null
}

/** The range of queued occurrences, outside of the head's list, that a query needs. */
export interface QueuePage {
  /** The page begins after this sort key of the job's history. */
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
  // While the writes of a large step are unfinished, the queue items may contain occurrences in states other than `queued`. So
  // this function then reads the queue items even if `page` is `null`.
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
