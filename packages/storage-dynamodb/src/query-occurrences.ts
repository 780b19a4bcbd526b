import type { OccurrenceQuery, OccurrenceRecord, OccurrenceState, Page } from '@jobistemer/core/storage'
import { isFinal } from '@jobistemer/core/storage'
import { type Item, text } from './attributes.ts'
import { hasBulk } from './bulk.ts'
import { readHead } from './job-item.ts'
import { boundsOf } from './key-bounds.ts'
import { type LiveGroup, sortableInstant, uuidOf } from './keys.ts'
import { hintOf, type LivePartition, liveQuery, partitionsOf } from './live-index.ts'
import { bySchedule } from './live-list.ts'
import { readOccurrence } from './occurrence-item.ts'
import { listFailed } from './query-failures.ts'
import { isMarker, levelsAmong } from './priority-levels.ts'
import { cursorError } from './query-jobs.ts'
import { loadOccurrences, type Table, wholeItem } from './table.ts'

type Query<Kind extends OccurrenceQuery['kind']> = Extract<OccurrenceQuery, { readonly kind: Kind }>

/** How many occurrences a page looks at before it hands out a cursor, found or not. */
const lookLimit = 5000

export async function listOccurrences(table: Table, query: OccurrenceQuery): Promise<Page<OccurrenceRecord>> {
  if (query.kind === 'live') return await listLive(table, query)
  if (query.kind === 'failed') return await listFailed(table, query)
  const onlyLive = query.states?.some(isFinal) === false
  return onlyLive ? await listLiveOfJob(table, query) : await listHistory(table, query)
}

// ------------------------------------------------------------------------------------------------------------- of a job

async function listHistory(table: Table, query: Query<'job'>): Promise<Page<OccurrenceRecord>> {
  const { requests, keys } = table
  const { limit, order, states } = query
  const wanted = states === undefined ? null : new Set<OccurrenceState>(states)
  const { lower, upper } = boundsOf(query, query.cursor === null ? null : readPlace(query.cursor))
  if (lower > upper) return { items: [], cursor: null }
  const items: OccurrenceRecord[] = []
  let looked = 0
  let last: OccurrenceRecord | null = null
  let start: Item | null = null
  do {
    const page: { items: readonly Item[]; last: Item | null } = await requests.query({
      KeyConditionExpression: 'pk = :pk AND sk BETWEEN :lower AND :upper',
      ExpressionAttributeValues: {
        ':pk': text(keys.history(query.jobId)),
        ':lower': text(lower),
        ':upper': text(upper),
      },
      ConsistentRead: true,
      ScanIndexForward: order === 'ascending',
      // One more than the page takes tells whether there is another page.
      ...(wanted === null && { Limit: limit - items.length + 1 }),
      ...(start !== null && { ExclusiveStartKey: start }),
    })
    for (const item of page.items) {
      const whole = hasBulk(item) ? await wholeItem(table, item) : item
      if (whole === null) continue
      const { record } = readOccurrence(whole)
      const isWanted = wanted === null || wanted.has(record.state)
      if (last !== null && (items.length === limit ? isWanted : looked >= lookLimit)) {
        return { items, cursor: printPlace(last) }
      }
      if (isWanted) items.push(query.runs ? record : withoutRuns(record))
      looked++
      last = record
    }
    start = page.last
  } while (start !== null)
  return { items, cursor: null }
}

/** The live ones alone, by the head of the job: asking for them costs no walk through the history. */
async function listLiveOfJob(table: Table, query: Query<'job'>): Promise<Page<OccurrenceRecord>> {
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, order, limit } = query
  const item = await table.requests.get(table.keys.head(query.jobId))
  if (item === null) return { items: [], cursor: null }
  const head = readHead(item)
  const after = query.cursor === null ? null : readPlace(query.cursor)
  const places = [...head.active, ...head.queued]
    .filter(({ scheduledAt }) => scheduledAt >= from && scheduledAt < to)
    .sort(bySchedule)
  if (order === 'descending') places.reverse()
  const rest = places.filter((place) => {
    if (after === null) return true
    return order === 'ascending' ? placeOf(place) > after : placeOf(place) < after
  })
  const looked = rest.slice(0, lookLimit)
  const states = new Set<OccurrenceState>(query.states)
  const found = (await loadOccurrences(table, looked))
    .flatMap((stored) => stored?.record ?? [])
    .filter(({ state }) => states.has(state))
  const items = found.slice(0, limit).map((record) => (query.runs ? record : withoutRuns(record)))
  if (found.length > limit) return { items, cursor: printPlace(items.at(-1) as OccurrenceRecord) }
  const last = looked.at(-1)
  return { items, cursor: rest.length > looked.length && last !== undefined ? printPlace(last) : null }
}

// ----------------------------------------------------------------------------------------------------------------- live

/** Where the next page of live ones begins. */
interface LivePlace {
  readonly partition: number
  readonly start: Item | null
  /** The priorities whose partitions follow; left out without any. */
  readonly levels?: readonly number[]
}

async function listLive(table: Table, query: Query<'live'>): Promise<Page<OccurrenceRecord>> {
  let place: LivePlace = query.cursor === null ? { partition: 0, start: null } : readLivePlace(query.cursor)
  let partitions = partitionsIn(query.state, place)
  const items: OccurrenceRecord[] = []
  // Nothing found so far is no reason for another call, but what is found goes out as soon as a query is answered.
  while (place.partition < partitions.length && items.length === 0) {
    const partition = partitions[place.partition] as LivePartition
    const { deadlineBefore } = query
    const page = await table.requests.query({
      ...liveQuery(table, partition, deadlineBefore === undefined ? {} : { to: deadlineBefore }),
      Limit: query.limit,
      ...(place.start !== null && { ExclusiveStartKey: place.start }),
    })
    const hints = page.items.filter((item) => !isMarker(item)).map(hintOf)
    for (const stored of await loadOccurrences(table, hints)) {
      // What the index says is a hint: it may be somewhere else by now.
      if (stored !== null && matches(stored.record, query, partition.group)) items.push(stored.record)
    }
    const levels = [...(place.levels ?? []), ...levelsAmong(page.items)]
    const next = page.last === null ? place.partition + 1 : place.partition
    place = { partition: next, start: page.last, ...(levels.length > 0 && { levels }) }
    partitions = partitionsIn(query.state, place)
  }
  return {
    items: query.runs ? items : items.map(withoutRuns),
    cursor: place.partition < partitions.length ? printLivePlace(place) : null,
  }
}

/** Markers of priorities lie in front of the first partition of pending ones, so that they are known when it is their turn. */
function partitionsIn(state: Query<'live'>['state'], { levels = [] }: LivePlace): readonly LivePartition[] {
  const groups: readonly LiveGroup[] = state === 'running' ? ['running', 'canceling'] : [state]
  return [
    ...groups.flatMap((group) => partitionsOf(group)),
    ...levels.flatMap((level) => partitionsOf('pending', level)),
  ]
}

function matches(record: OccurrenceRecord, { state, node, deadlineBefore }: Query<'live'>, group: LiveGroup): boolean {
  if (record.state !== state || (node !== undefined && record.owner?.node !== node)) return false
  // One that is asked to cancel between two pages is found in both groups.
  if (group === 'canceling' && record.cancelRequest === null) return false
  return deadlineBefore === undefined || (record.deadlineAt ?? Number.POSITIVE_INFINITY) <= deadlineBefore
}

function printLivePlace(place: LivePlace): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url')
}

function readLivePlace(cursor: string): LivePlace {
  try {
    const place = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as LivePlace
    if (Number.isInteger(place.partition)) return place
  } catch {
    // Told below.
  }
  throw cursorError(cursor)
}

// --------------------------------------------------------------------------------------------------------------- cursors

function placeOf({ scheduledAt, id }: Pick<OccurrenceRecord, 'scheduledAt' | 'id'>): string {
  return `${sortableInstant(scheduledAt)}/${uuidOf(id)}`
}

function printPlace(record: Pick<OccurrenceRecord, 'scheduledAt' | 'id'>): string {
  return placeOf(record)
}

function readPlace(cursor: string): string {
  if (/^-?\d{16}\/[0-9a-f-]{36}$/.test(cursor)) return cursor
  throw cursorError(cursor)
}

function withoutRuns(record: OccurrenceRecord): OccurrenceRecord {
  return { ...record, runs: [] }
}
