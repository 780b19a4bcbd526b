import type {
  DueJobs,
  GetAnswer,
  GetRequest,
  JobQuery,
  JobRecord,
  LiveCounts,
  OccurrenceQuery,
  OccurrenceRecord,
  OccurrenceState,
  Page,
} from '@jobistemer/core/storage'
import { cursorError, isFinal, shardOf } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import type { JobOccurrences } from './job-occurrences.ts'
import { byId, type MemoryJob } from './memory-job.ts'
import { bySchedule, compareText, type OccurrenceEntry, orderOf } from './occurrence-entry.ts'

const noCounts: LiveCounts = Object.freeze({ pending: 0, queued: 0, running: 0 })

/** Maximum number of entries that a call of a list reads. The call then returns a cursor, even without a result. */
const scanLimit = 10_000

export function get(database: Database, request: GetRequest): GetAnswer {
  const { jobs, occurrences, live } = database
  return {
    jobs: (request.jobs ?? []).map((id) => jobs.get(id)?.head ?? null),
    versions: (request.versions ?? []).map(({ jobId, version }) => jobs.get(jobId)?.versionOf(version)?.record ?? null),
    occurrences: (request.occurrences ?? []).map((id) => occurrences.get(id)?.record ?? null),
    latest: (request.latest ?? []).map((id) => latestOf(jobs.get(id))),
    counts: (request.counts ?? []).map((id) => (id === 'all' ? live.counts : countsOf(jobs.get(id)))),
  }
}

/** Returns a plain object, because copies of a job's counts would lose their getters. */
function countsOf(job: MemoryJob | undefined): LiveCounts {
  const { pending, queued, running } = job?.counts ?? noCounts
  return { pending, queued, running }
}

/** Returns the latest occurrence of the job that has run and ended. */
function latestOf(job: MemoryJob | undefined): OccurrenceRecord | null {
  for (const { record } of job?.occurrences?.history.descending() ?? []) {
    if (record.token > 0 && isFinal(record.state)) return record
  }
  return null
}

export function listJobs(database: Database, query: JobQuery): Page<JobRecord> {
  if (query.due !== undefined) return listDueJobs(database, query, query.due)
  const { limit, cursor, changedSince = Number.NEGATIVE_INFINITY, owner, deleted = false } = query
  return page(jobsFor(database, query), limit, {
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

/** Yields jobs by id: only the changed jobs if few jobs have changed, otherwise all jobs from the cursor on. */
function jobsFor(database: Database, { changedSince, cursor }: JobQuery): Iterable<MemoryJob> {
  if (changedSince !== undefined) {
    const changed: MemoryJob[] = []
    for (const job of database.jobsByChange.ascending(changeKey(changedSince))) {
      changed.push(job)
      if (changed.length === scanLimit) break
    }
    if (changed.length < scanLimit) return changed.sort(byId)
  }
  return database.jobsById.ascending(cursor === null ? undefined : jobKey(cursor))
}

export function listOccurrences(database: Database, query: OccurrenceQuery): Page<OccurrenceRecord> {
  if (query.kind === 'failed') return listFailed(database, query)
  return query.kind === 'job' ? listOfJob(database, query) : listLive(database, query)
}

type Query<Kind extends OccurrenceQuery['kind']> = Extract<OccurrenceQuery, { readonly kind: Kind }>

function listOfJob(database: Database, query: Query<'job'>): Page<OccurrenceRecord> {
  const occurrences = database.jobs.get(query.jobId)?.occurrences ?? null
  if (occurrences === null) return { items: [], cursor: null }
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = query
  const last = query.cursor === null ? null : readCursor(query.cursor)
  const states = query.states === undefined ? null : new Set<OccurrenceState>(query.states)
  const rising = query.order === 'ascending'
  const live = states !== null && query.states?.every((state) => !isFinal(state)) === true
  return page(
    live ? liveOf(occurrences, rising) : historyOf(occurrences, rising, last, rising ? from : to),
    query.limit,
    {
      stops: (entry) => (rising ? entry.scheduledAt >= to : entry.scheduledAt < from),
      accepts: (entry) =>
        entry.scheduledAt >= from &&
        entry.scheduledAt < to &&
        (states === null || states.has(entry.record.state)) &&
        (last === null || (rising ? compareKey(entry, last) > 0 : compareKey(entry, last) < 0)),
      print: ({ record }) => record,
      cursorOf: (entry) => `${entry.scheduledAt} ${entry.id}`,
    },
  )
}

/** Returns only live occurrences, sorted by schedule, without a walk through the history. */
function liveOf({ live: { pending, queued, running } }: JobOccurrences, rising: boolean): Iterable<OccurrenceEntry> {
  const entries = [...pending.ascending(), ...queued.ascending(), ...running.ascending()].sort(bySchedule)
  return rising ? entries : entries.reverse()
}

function historyOf(
  { history }: JobOccurrences,
  rising: boolean,
  last: CursorKey | null,
  bound: number,
): Iterable<OccurrenceEntry> {
  // Without a cursor, the walk begins at the instant `bound`: the empty id sorts before the ids of all occurrences at
  // this instant.
  const key = scheduleKey(last ?? { order: bound, id: '' })
  return rising ? history.ascending(key) : history.descending(key)
}

function listFailed(database: Database, query: Query<'failed'>): Page<OccurrenceRecord> {
  const { jobId, from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = query
  const failed = jobId === undefined ? database.failed : (database.jobs.get(jobId)?.occurrences?.failed ?? null)
  if (failed === null) return { items: [], cursor: null }
  const last = query.cursor === null ? null : readCursor(query.cursor)
  const rising = query.order === 'ascending'
  const key = endKey(last ?? { order: rising ? from : to, id: '' })
  return page(rising ? failed.ascending(key) : failed.descending(key), query.limit, {
    stops: (entry) => (rising ? endOf(entry) >= to : endOf(entry) < from),
    // A descending walk begins before the cursor's entry. An ascending walk begins at the cursor's entry and must skip
    // that entry.
    accepts: (entry) => endOf(entry) >= from && endOf(entry) < to && (last === null || entry.id !== last.id),
    print: ({ record }) => record,
    cursorOf: (entry) => `${endOf(entry)} ${entry.id}`,
  })
}

function endOf({ record }: OccurrenceEntry): number {
  return record.finishedAt as number
}

function listLive(database: Database, query: Query<'live'>): Page<OccurrenceRecord> {
  const last = query.cursor === null ? null : readCursor(query.cursor)
  const print = ({ record }: OccurrenceEntry): OccurrenceRecord => record
  if (query.state !== 'running') {
    const entries = database.live[query.state].ascending(last === null ? undefined : orderKey(last))
    return page(entries, query.limit, {
      stops: () => false,
      accepts: (entry) => last === null || orderOf(entry) !== last.order || entry.id !== last.id,
      print,
      cursorOf: (entry) => `${orderOf(entry)} ${entry.id}`,
    })
  }
  const { node, deadlineBefore = Number.POSITIVE_INFINITY } = query
  return page(database.live.running.ascending(last === null ? undefined : deadlineKey(last)), query.limit, {
    stops: ({ record }) => (record.deadlineAt as number) > deadlineBefore,
    accepts: ({ record, ordinal }) =>
      (node === undefined || record.owner?.node === node) &&
      (last === null || record.deadlineAt !== last.order || ordinal > Number(last.id)),
    print,
    cursorOf: ({ record, ordinal }) => `${record.deadlineAt} ${ordinal}`,
  })
}

interface PageRules<Entry, Item> {
  /** Returns whether the entry lies behind the queried range, so that the scan ends. */
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

function compareKey(entry: OccurrenceEntry, key: CursorKey): number {
  return entry.scheduledAt - key.order || compareText(entry.id, key.id)
}

// Keys that stand for a position between entries of a sorted list. They contain only the fields that the comparison reads.

function scheduleKey(key: CursorKey): OccurrenceEntry {
  return { scheduledAt: key.order, id: key.id } as OccurrenceEntry
}

function orderKey(key: CursorKey): OccurrenceEntry {
  return { scheduledAt: key.order, id: key.id, record: { details: {} } } as OccurrenceEntry
}

function endKey(key: CursorKey): OccurrenceEntry {
  return { record: { finishedAt: key.order }, id: key.id } as OccurrenceEntry
}

function deadlineKey(key: CursorKey): OccurrenceEntry {
  return { record: { deadlineAt: key.order }, ordinal: Number(key.id) } as unknown as OccurrenceEntry
}

function jobKey(id: string): MemoryJob {
  return { id } as MemoryJob
}

function changeKey(changedAt: number): MemoryJob {
  return { head: { changedAt }, changeOrdinal: -1 } as unknown as MemoryJob
}
