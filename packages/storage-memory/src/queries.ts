import { JobistemerError, printValue } from '@jobistemer/core'
import type {
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
import { isFinal } from '@jobistemer/core/storage'
import { copyJob, copyOccurrence } from './copy.ts'
import type { Database } from './database.ts'
import {
  byId,
  bySchedule,
  compareText,
  type JobEntry,
  type JobOccurrences,
  type OccurrenceEntry,
  versionOf,
} from './entries.ts'

/** How many entries a page looks at before it hands out a cursor, found or not. */
const scanLimit = 10_000

export function get(database: Database, request: GetRequest): GetAnswer {
  return {
    jobs: (request.jobs ?? []).map((id) => {
      const job = database.jobs.get(id)
      return job === undefined ? null : copyJob(job.head)
    }),
    versions: (request.versions ?? []).map(({ jobId, version }) => {
      const job = database.jobs.get(jobId)
      const entry = job === undefined ? undefined : versionOf(job, version)
      return entry === undefined ? null : { ...entry.record }
    }),
    occurrences: (request.occurrences ?? []).map((id) => {
      const entry = database.occurrences.get(id)
      return entry === undefined ? null : copyOccurrence(entry.record, true)
    }),
    counts: (request.counts ?? []).map((id) =>
      countsOf(id === 'all' ? database.live : (database.jobs.get(id)?.occurrences ?? null)),
    ),
  }
}

function countsOf(lists: Pick<JobOccurrences, 'pending' | 'queued' | 'running'> | null): LiveCounts {
  return {
    pending: lists?.pending.size ?? 0,
    queued: lists?.queued.size ?? 0,
    running: lists?.running.size ?? 0,
  }
}

export function listJobs(database: Database, query: JobQuery): Page<JobRecord> {
  const { limit, cursor, changedSince = Number.NEGATIVE_INFINITY, owner, deleted = false } = query
  return page(jobsFor(database, query), limit, {
    stops: () => false,
    accepts: ({ id, head }) =>
      (cursor === null || compareText(id, cursor) > 0) &&
      (deleted || head.deletedAt === null) &&
      head.changedAt >= changedSince &&
      (owner === undefined || head.owner === owner),
    print: ({ head }) => copyJob(head),
    cursorOf: ({ id }) => id,
  })
}

/** Jobs by id: those that changed, when they are few, else all of them from the cursor on. */
function jobsFor(database: Database, { changedSince, cursor }: JobQuery): Iterable<JobEntry> {
  if (changedSince !== undefined) {
    const changed: JobEntry[] = []
    for (const job of database.jobsByChange.ascending(changeKey(changedSince))) {
      changed.push(job)
      if (changed.length === scanLimit) break
    }
    if (changed.length < scanLimit) return changed.sort(byId)
  }
  return database.jobsById.ascending(cursor === null ? undefined : jobKey(cursor))
}

export function listOccurrences(database: Database, query: OccurrenceQuery): Page<OccurrenceRecord> {
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
      print: (entry) => copyOccurrence(entry.record, query.runs),
      cursorOf: (entry) => `${entry.scheduledAt} ${entry.id}`,
    },
  )
}

/** The live ones alone, so that asking for them costs no walk through the history. */
function liveOf({ pending, queued, running }: JobOccurrences, rising: boolean): Iterable<OccurrenceEntry> {
  const entries = [...pending.ascending(), ...queued.ascending(), ...running.ascending()].sort(bySchedule)
  return rising ? entries : entries.reverse()
}

function historyOf(
  { history }: JobOccurrences,
  rising: boolean,
  last: CursorKey | null,
  bound: number,
): Iterable<OccurrenceEntry> {
  // No id is before the empty one.
  const key = scheduleKey(last ?? { order: bound, id: '' })
  return rising ? history.ascending(key) : history.descending(key)
}

function listLive(database: Database, query: Query<'live'>): Page<OccurrenceRecord> {
  const last = query.cursor === null ? null : readCursor(query.cursor)
  const print = (entry: OccurrenceEntry): OccurrenceRecord => copyOccurrence(entry.record, query.runs)
  if (query.state !== 'running') {
    const entries = database.live[query.state].ascending(last === null ? undefined : scheduleKey(last))
    return page(entries, query.limit, {
      stops: () => false,
      accepts: (entry) => last === null || compareKey(entry, last) > 0,
      print,
      cursorOf: (entry) => `${entry.scheduledAt} ${entry.id}`,
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
  /** True for the first entry behind the range. */
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

/** A place in an order: a number, and among equal ones a text. */
interface CursorKey {
  readonly order: number
  readonly id: string
}

function readCursor(cursor: string): CursorKey {
  const [order, id, ...rest] = cursor.split(' ')
  if (order === undefined || id === undefined || rest.length > 0 || !Number.isFinite(Number(order))) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `cursor is not one of this storage: ${printValue(cursor)}.`,
      field: 'cursor',
      value: cursor,
      remedy: 'Pass on the cursor of the page before, with the same query.',
    })
  }
  return { order: Number(order), id }
}

function compareKey(entry: OccurrenceEntry, key: CursorKey): number {
  return entry.scheduledAt - key.order || compareText(entry.id, key.id)
}

// The sorted lists compare entries; these stand for a place between entries, with what the comparison looks at.

function scheduleKey(key: CursorKey): OccurrenceEntry {
  return { scheduledAt: key.order, id: key.id } as OccurrenceEntry
}

function deadlineKey(key: CursorKey): OccurrenceEntry {
  return { record: { deadlineAt: key.order }, ordinal: Number(key.id) } as unknown as OccurrenceEntry
}

function jobKey(id: string): JobEntry {
  return { id } as JobEntry
}

function changeKey(changedAt: number): JobEntry {
  return { head: { changedAt }, changeOrdinal: -1 } as unknown as JobEntry
}
