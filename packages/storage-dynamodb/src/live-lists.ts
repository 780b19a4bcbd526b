import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { OccurrenceId } from '@jobistemer/core'
import { compareOrder, isFinal, type OccurrenceAddress, type OccurrenceWrite } from '@jobistemer/core/storage'
import { text } from './attributes.ts'
import { firstLookAt, type LiveLists, type StoredHead } from './job-item.ts'
import type { JobReading } from './job-reading.ts'
import { printLiveList, type Waiting, waitingOf } from './live-list.ts'
import { moveInQueue, type QueueMove, type QueueMoves, remove } from './record-writes.ts'
import { addressOf, type Table } from './table.ts'

// The head lists the live occurrences of its job, and each step pays for the size of the head. So the head has room for a few.
// Further active ones fill pages, which most steps need not read. Further queued ones have an item each, in the order of waking.

/** Entries of a page: just below 4 KB, which is a read unit. */
const pageSize = 180
/** Pages that a step adds, at most. A transaction has 100 items. */
const mostNewPages = 10
/** Active occurrences that a head lists, at most, where the overlap rule counts them: 176 KB of 400 KB. */
const mostListed = 8000
/** Queued occurrences that a head lists, at most. */
const mostQueued = 64
/** Queued occurrences that enter the list of the head together. */
const refill = 32

type Changes = ReadonlyMap<OccurrenceId, OccurrenceWrite>

/** The lists of a head after a step. */
interface ListsAfter {
  readonly lists: LiveLists
  readonly moves: QueueMoves
  /** The writes of pages, and of the queue items of records that the step does not write. */
  readonly writes: readonly TransactWriteItem[]
}

/** The lists after a step with these changes. `head` is the new head, with the lists of the stored one. */
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
  // If no step needs to know the active occurrences, the lists must not grow without end.
  const tidies = !job.hasLooked && head.active.length >= head.lookAt
  if (tidies) await job.lookAtActive(() => job.hasTidied)
  const { listed, pages: left } = job.leftOfLists()
  const live = [...changes.values()].filter(({ after: { state } }) => !isFinal(state) && state !== 'queued')
  const all = [...listed.filter(({ id }) => !changes.has(id)), ...live.map(({ after }) => addressOf(after))]
  const room = roomFor(head)
  const isCrowded = all.length > (job.hasLooked ? room / 2 : 2 * room)
  const added = isCrowded ? pagesOf(all) : []
  const entries = left.entries + (isCrowded ? all.length : 0)
  const next = entries > 0 ? room : Math.min(room, Math.max(firstLookAt, 2 * listed.length))
  const lists = {
    active: isCrowded ? [] : all,
    pages: { from: left.from, to: left.to + added.length, entries },
    lookAt: tidies || isCrowded ? next : job.hasLooked ? Math.min(head.lookAt, next) : head.lookAt,
  }
  const gone = Array.from({ length: left.from - head.pages.from }, (_, index) => head.pages.from + index)
  const writes: TransactWriteItem[] = gone.map((page) => remove(table, table.keys.activePage(head.id, page)))
  for (const [index, page] of added.entries()) {
    const { pk, sk } = table.keys.activePage(head.id, left.to + index)
    const item = { pk: text(pk), sk: text(sk), l: { B: printLiveList(page) } }
    writes.push({ Put: { TableName: table.requests.tableName, Item: item } })
  }
  return { lists, writes }
}

/** How many active occurrences the head of this job lists. */
function roomFor({ overlap: { policy, maxConcurrency = 1 } }: StoredHead): number {
  // Under `allow` no step counts them.
  return policy === 'allow' ? pageSize : Math.min(mostListed, Math.max(pageSize, 2 * maxConcurrency))
}

function pagesOf(entries: readonly OccurrenceAddress[]): readonly (readonly OccurrenceAddress[])[] {
  const size = Math.max(pageSize, Math.ceil(entries.length / mostNewPages))
  return Array.from({ length: Math.ceil(entries.length / size) }, (_, page) =>
    entries.slice(page * size, (page + 1) * size),
  )
}

async function queueAfter(table: Table, job: JobReading, changes: Changes) {
  const { queued: before, queuedBeyond } = job.head ?? { queued: [], queuedBeyond: 0 }
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
  return {
    lists: { queued: first, queuedBeyond: all.reduce((sum, move) => sum + (move === 'add' ? 1 : -1), queuedBeyond) },
    moves,
    writes: [
      ...left.map((entry) => moveInQueue(table, entry, 'add')),
      ...entered.map((entry) => moveInQueue(table, entry, 'remove')),
    ],
  }
}
