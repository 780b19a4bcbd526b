import type { JobId } from '@jobistemer/core'
import {
  compareAddresses,
  cursorError,
  type DueJobs,
  type DueQuery,
  type GetAnswer,
  type GetRequest,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  type HistoryRemoval,
  type HistoryRemover,
  isFinal,
  type JobQuery,
  type JobRecord,
  type JobVersionRecord,
  type LiveCounts,
  type OccurrenceQuery,
  type OccurrenceRecord,
  type OccurrenceState,
  type Owner,
  type Page,
  pageOfOccurrences,
  shardOf,
  type StorageCapabilities,
  type SyncLedger,
  type WakeUp,
} from '@jobistemer/core/storage'
import type { Database, MemoryJob } from './memory-job.ts'
import { claimableAt } from './live-index.ts'
import { compareText, type OccurrenceEntry } from './occurrences.ts'
import type { SortedList } from './sorted-list.ts'

type Ledger = SyncLedger<OccurrenceEntry>

/**
 * One connection to the data of a memory database. Each step is synchronous, so no other step can run during the step.
 */
export class MemoryLedger implements Ledger, HistoryRemover {
  readonly kind = 'sync'
  readonly opener = 'memoryStorage()'
  readonly keepsObjects = true
  readonly history: HistoryRemover = this
  readonly capabilities: StorageCapabilities = {
    maxBatch: 1000,
    multiProcess: false,
    durability: 'none',
    findsDueJobs: true,
    takesNext: true,
  }
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  transaction<T>(_now: number, step: () => T): T {
    return step()
  }

  read<T>(step: () => T): T {
    return step()
  }

  job(id: JobId): MemoryJob | undefined {
    return this.#database.jobs.get(id)
  }

  createJob(job: JobRecord, version: JobVersionRecord): void {
    this.#database.addJob(job, version)
  }

  hasDue(query: DueQuery): boolean {
    return this.due(query, 1).length > 0
  }

  due({ now, exceptHandlerKeys }: DueQuery, limit: number): { job: MemoryJob; entry: OccurrenceEntry }[] {
    const found: { job: MemoryJob; entry: OccurrenceEntry }[] = []
    for (const entry of this.#database.live.readyAt(now).ascending()) {
      if (found.length >= limit) break
      const { job } = entry
      if (!exceptHandlerKeys.includes(job.head.handlerKey)) found.push({ job, entry })
    }
    return found
  }

  nextDueAt({ now, exceptHandlerKeys }: DueQuery): number | null {
    for (const entry of this.#database.live.futureAfter(now).ascending()) {
      const from = claimableAt(entry)
      if (!Number.isFinite(from)) return null
      if (!exceptHandlerKeys.includes(entry.job.head.handlerKey)) return from
    }
    return null
  }

  cancelRequested({ node, incarnation }: Owner): readonly OccurrenceRecord[] {
    return [...this.#database.live.cancelRequested]
      .filter(({ record }) => record.owner?.node === node && record.owner.incarnation === incarnation)
      .map(recordOf)
      .sort(compareAddresses)
  }

  stranded(): readonly JobId[] {
    return [...this.#database.live.waitingJobs]
      .filter(
        ({ head, counts }) => head.cancelsBelow !== null || (counts.pending === counts.delayed && counts.running === 0),
      )
      .map(({ id }) => id)
  }

  readonly get: Ledger['get'] = (request) => get(this.#database, request)
  readonly listJobs: Ledger['listJobs'] = (query) => listJobs(this.#database, query)
  readonly listOccurrences: Ledger['listOccurrences'] = (query) => listOccurrences(this.#database, query)

  removeHistory({ jobId, occurrences, floor }: HistoryRemoval): number | null {
    const job = this.#database.jobs.get(jobId)
    if (job === undefined) return null
    const { nextAt, pruneFloor } = job.head
    if (nextAt !== null && nextAt <= floor) return null
    job.head = { ...job.head, pruneFloor: Math.max(pruneFloor ?? floor, floor) }
    let removed = 0
    for (const { id } of occurrences) if (this.#database.removeOccurrence(id)) removed++
    return removed
  }

  forget(jobId: JobId, before: number): void {
    const job = this.#database.jobs.get(jobId)
    if (job === undefined) return
    const { deletedAt, version: current } = job.head
    const hasHistory = job.occurrences !== null && job.occurrences.history.size > 0
    if (deletedAt !== null && deletedAt < before && !hasHistory) {
      this.#database.removeJob(job)
      return
    }
    const used = job.versions.filter(({ record, references }) => references > 0 || record.version === current)
    if (used.length < job.versions.length) job.versions = used
  }

  heartbeat(request: HeartbeatRequest): HeartbeatAnswer {
    return this.#database.nodes.heartbeat(request)
  }

  subscribe(listener: (wakeUp: WakeUp) => void): () => void {
    return this.#database.wakeUps.subscribe(this, listener)
  }

  notify(kinds: ReadonlySet<WakeUp['kind']>): void {
    this.#database.wakeUps.tell(this, kinds)
  }

  close(): void {
    this.#database.wakeUps.unsubscribeAll(this)
  }
}

const noCounts: LiveCounts = Object.freeze({ pending: 0, queued: 0, running: 0 })

/** Maximum number of entries that a call of `listJobs` or `listOccurrences` reads before it returns a cursor. */
const scanLimit = 10_000

function get(database: Database, request: GetRequest): GetAnswer {
  const { jobs, occurrences, live } = database
  return {
    jobs: (request.jobs ?? []).map((id) => jobs.get(id)?.head ?? null),
    versions: (request.versions ?? []).map(({ jobId, version }) => jobs.get(jobId)?.versionOf(version)?.record ?? null),
    occurrences: (request.occurrences ?? []).map((id) => occurrences.get(id)?.record ?? null),
    latest: (request.latest ?? []).map((id) => latestOf(jobs.get(id))),
    counts: (request.counts ?? []).map((id) => (id === 'all' ? live.counts : countsOf(jobs.get(id)))),
  }
}

/** Returns the counts as a plain object. The members of `job.counts` are getters, which a copy of `job.counts` would lose. */
function countsOf(job: MemoryJob | undefined): LiveCounts {
  const { pending, queued, running } = job?.counts ?? noCounts
  return { pending, queued, running }
}

/** Returns the job's latest occurrence that a node has started and that has ended; `null` without such an occurrence. */
function latestOf(job: MemoryJob | undefined): OccurrenceRecord | null {
  for (const { record } of job?.occurrences?.history.descending() ?? []) {
    if (record.token > 0 && isFinal(record.state)) return record
  }
  return null
}

function listJobs(database: Database, query: JobQuery): Page<JobRecord> {
  if (query.due !== undefined) return listDueJobs(database, query, query.due)
  const { limit, cursor, changedSince = Number.NEGATIVE_INFINITY, owner, deleted = false } = query
  // The sorted list compares jobs only by their ids. So `from`, an incomplete job with only the cursor's id, is enough to find
  // the page's start.
  const from = cursor === null ? undefined : ({ id: cursor } as MemoryJob)
  return page(database.jobsById.ascending(from), limit, {
    stops: () => false,
    accepts: ({ id, head }) =>
      (cursor === null || compareText(id, cursor) > 0) &&
      (deleted || head.deletedAt === null) &&
      head.changedAt >= changedSince &&
      (owner === undefined || head.owner === owner),
    print: ({ head }) => head,
    cursorOf: ({ id }) => id,
  })
}

function listDueJobs({ dueJobs }: Database, { limit, cursor }: JobQuery, due: DueJobs): Page<JobRecord> {
  const { after = Number.NEGATIVE_INFINITY, upTo, shards } = due
  const wanted = shards === undefined ? null : new Set(shards)
  const last = cursor === null ? null : readCursor(cursor)
  return page(dueJobs.from(last?.order ?? after, last?.id ?? ''), limit, {
    stops: ({ head }) => (head.nextAt as number) > upTo,
    accepts: ({ id, head }) =>
      (head.nextAt as number) > after &&
      (last === null || head.nextAt !== last.order || id > last.id) &&
      (wanted === null || wanted.has(shardOf(id))),
    print: ({ head }) => head,
    cursorOf: ({ id, head }) => `${head.nextAt} ${id}`,
  })
}

type Query<Kind extends OccurrenceQuery['kind']> = Extract<OccurrenceQuery, { readonly kind: Kind }>

function listOccurrences(database: Database, query: OccurrenceQuery): Page<OccurrenceRecord> {
  if (query.cursor !== null) readCursor(query.cursor)
  if (query.kind === 'live') return pageOfOccurrences(database.live.inState(query.state).map(recordOf), query)
  const { jobId } = query
  const occurrences = (jobId === undefined ? undefined : database.jobs.get(jobId)?.occurrences) ?? null
  if (query.kind === 'failed') {
    return pageOfList(jobId === undefined ? database.failed : (occurrences?.failed ?? null), query, byEndOf)
  }
  const { states } = query
  if (occurrences === null || states?.some(isFinal) !== false) {
    return pageOfList(occurrences?.history ?? null, query, byScheduleOf, states)
  }
  const { pending, queued, running } = occurrences.live
  const live = [...pending.ascending(), ...queued.ascending(), ...running.ascending()]
  return pageOfOccurrences(live.map(recordOf), query)
}

/**
 * The sort order of a list of occurrences.
 * - `atOf` returns the instant by which the list sorts an entry.
 * - `keyAt` builds an entry with only an instant and an id. The list uses this entry to find the place where a scan begins.
 */
interface ListOrder {
  readonly atOf: (entry: OccurrenceEntry) => number
  readonly keyAt: (place: CursorKey) => OccurrenceEntry
}

const byScheduleOf: ListOrder = {
  atOf: ({ scheduledAt }) => scheduledAt,
  keyAt: ({ order, id }) => ({ scheduledAt: order, id }) as OccurrenceEntry,
}

const byEndOf: ListOrder = {
  atOf: ({ record }) => record.finishedAt as number,
  keyAt: ({ order, id }) => ({ record: { finishedAt: order }, id }) as OccurrenceEntry,
}

function pageOfList(
  list: SortedList<OccurrenceEntry> | null,
  { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, cursor, limit, order }: Query<'job' | 'failed'>,
  { atOf, keyAt }: ListOrder,
  states?: readonly OccurrenceState[],
): Page<OccurrenceRecord> {
  if (list === null) return { items: [], cursor: null }
  const last = cursor === null ? null : readCursor(cursor)
  const rising = order === 'ascending'
  // Without a cursor, the key has an empty id, which precedes all other ids. So this key precedes all entries with the same
  // instant.
  const key = keyAt(last ?? { order: rising ? from : to, id: '' })
  const wanted = states === undefined ? null : new Set(states)
  return page(rising ? list.ascending(key) : list.descending(key), limit, {
    stops: (entry) => (rising ? atOf(entry) >= to : atOf(entry) < from),
    // In ascending order, the walk begins with the last entry of the previous page, which the cursor names. So `accepts` leaves
    // this entry out.
    accepts: (entry) =>
      atOf(entry) >= from &&
      atOf(entry) < to &&
      entry.id !== last?.id &&
      (wanted === null || wanted.has(entry.record.state)),
    print: recordOf,
    cursorOf: (entry) => `${atOf(entry)} ${entry.id}`,
  })
}

function recordOf({ record }: OccurrenceEntry): OccurrenceRecord {
  return record
}

interface PageRules<Entry, Item> {
  /** Returns whether the scan ends, because the entry is beyond the queried range. */
  readonly stops: (entry: Entry) => boolean
  readonly accepts: (entry: Entry) => boolean
  readonly print: (entry: Entry) => Item
  readonly cursorOf: (entry: Entry) => string
}

function page<Entry, Item>(entries: Iterable<Entry>, limit: number, rules: PageRules<Entry, Item>): Page<Item> {
  const items: Item[] = []
  let scanned = 0
  let last: Entry | null = null
  for (const entry of entries) {
    if (rules.stops(entry)) break
    const wanted = rules.accepts(entry)
    if (last !== null && (scanned >= scanLimit || (wanted && items.length === limit))) {
      return { items, cursor: rules.cursorOf(last) }
    }
    if (wanted) items.push(rules.print(entry))
    scanned++
    last = entry
  }
  return { items, cursor: null }
}

/** A position in an order. Entries are ordered by a number, and entries with equal numbers by an id. */
interface CursorKey {
  readonly order: number
  readonly id: string
}

function readCursor(cursor: string): CursorKey {
  const [order, id, ...rest] = cursor.split(' ')
  if (order === undefined || id === undefined || rest.length > 0 || !Number.isFinite(Number(order))) {
    throw cursorError(cursor)
  }
  return { order: Number(order), id }
}
