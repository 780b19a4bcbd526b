import type { JobId } from '@jobistemer/core'
import {
  compareAddresses,
  cursorError,
  isFailure,
  isFinal,
  type OccurrenceAddress,
  type OccurrenceQuery,
  type OccurrenceRecord,
  type OccurrenceState,
  type Page,
} from '@jobistemer/core/storage'
import { type Item, number, text, textOf } from './attributes.ts'
import {
  addressOfKey,
  failedShardCount,
  failedShardOf,
  keyOf,
  type LiveGroup,
  sortableInstant,
  uuidOf,
} from './keys.ts'
import { hintOf, isMarker, levelsAmong, type LivePartition, liveQuery, partitionsOf } from './live-index.ts'
import { names, readOccurrence } from './occurrence-item.ts'
import { type QueuePage, readWholeLists, type WholeLists } from './live-lists.ts'
import { groupsOf, partitionQuery, type QueryInput } from './requests.ts'
import { failedIndex } from './table-definition.ts'
import { concurrency, loadOccurrences, type Table, wholeItem } from './table.ts'

type Query<Kind extends OccurrenceQuery['kind']> = Extract<OccurrenceQuery, { readonly kind: Kind }>

/** Maximum number of occurrences that a call reads before it returns a page with a cursor. */
const lookLimit = 5000

/**
 * Number of records in the first read of a query that names states. These records cost about one DynamoDB read request
 * unit.
 */
const firstLook = 20

/** Maximum number of records of live occurrences in one request. */
const mostAtOnce = 100

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
  let last: string | null = null
  let start: Item | null = null
  // Records in the wanted states may be frequent or rare. So the first read of such a query is small. Each further read reads
  // twice as many records as the read before.
  let ahead = Math.max(limit + 1, firstLook)
  do {
    const page: { items: readonly Item[]; last: Item | null } = await requests.query({
      ...partitionQuery(keys.history(query.jobId), [lower, upper]),
      ScanIndexForward: order === 'ascending',
      // Reads one record more than the page holds, to find out whether another page follows.
      Limit: wanted === null ? limit - items.length + 1 : Math.min(ahead, lookLimit - looked + 1),
      ...(start !== null && { ExclusiveStartKey: start }),
    })
    for (const item of page.items) {
      const isWanted = wanted === null || wanted.has(textOf(item, names.state) as OccurrenceState)
      if (last !== null && ((items.length === limit && isWanted) || looked >= lookLimit)) {
        return { items, cursor: last }
      }
      looked++
      last = textOf(item, 'sk')
      if (!isWanted) continue
      const whole = await wholeItem(table, item, query)
      if (whole === null) continue
      const { record } = readOccurrence(whole)
      // If a record changed during the read, the storage has read it again. Its state may then no longer be one of the wanted
      // states.
      if (wanted === null || wanted.has(record.state)) items.push(record)
    }
    start = page.last
    ahead *= 2
    // A full page ends the call without a search for a further match. If no further match exists, the returned cursor leads to
    // an empty page.
    if (start !== null && items.length === limit && wanted !== null) return { items, cursor: last }
  } while (start !== null)
  return { items, cursor: null }
}

/** Lists live occurrences by the lists in the job's head, without reading the history. */
async function listLiveOfJob(table: Table, query: Query<'job'>): Promise<Page<OccurrenceRecord>> {
  const { limit } = query
  const states = new Set<OccurrenceState>(query.states)
  const lists = await readWholeLists(table, query.jobId, states.has('queued') ? queuePageOf(query) : null)
  if (lists === null) return { items: [], cursor: null }
  const cutAt = lists.cutAt !== null && isInSpan(lists.cutAt, query) ? lists.cutAt : null
  const places = livePlaces({ ...lists, cutAt }, states, query)
  const items: OccurrenceRecord[] = []
  let looked = 0
  // Reads one record more than the page holds, to find out whether another page follows.
  for (let ahead = limit + 1; looked < Math.min(places.length, lookLimit); ahead *= 2) {
    const some = places.slice(looked, Math.min(looked + Math.min(ahead, mostAtOnce), lookLimit))
    for (const stored of await loadOccurrences(table, some, query)) {
      if (stored === null || !states.has(stored.record.state)) continue
      if (items.length === limit) return { items, cursor: placeOf(items.at(-1) as OccurrenceRecord) }
      items.push(stored.record)
    }
    looked += some.length
  }
  const last = places[looked - 1]
  const isEnd = looked === places.length && cutAt === null
  return { items, cursor: isEnd ? null : placeOf(last ?? (cutAt as OccurrenceAddress)) }
}

/**
 * Returns the page of queued occurrences, outside of the head's list, that the query needs: its start, its length and its
 * order.
 */
function queuePageOf({ limit, cursor, from, to, order }: Query<'job'>): QueuePage {
  const bound = order === 'ascending' ? from : to
  const start = bound === undefined ? null : sortableInstant(bound)
  // Reads one entry more than the page holds, to find out whether another page follows.
  return { after: cursor === null ? start : readPlace(cursor), limit: limit + 1, order }
}

function isInSpan({ scheduledAt }: OccurrenceAddress, query: Query<'job'>): boolean {
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = query
  return scheduledAt >= from && scheduledAt < to
}

/** Returns the addresses of occurrences that may match the query, in the order of the query. */
function livePlaces(
  { head: { planParts }, active, queued, cutAt }: WholeLists,
  states: ReadonlySet<OccurrenceState>,
  query: Query<'job'>,
): readonly OccurrenceAddress[] {
  const { order } = query
  const after = query.cursor === null ? null : readPlace(query.cursor)
  // While the writes of a large step are unfinished, the lists `active` and `queued` may contain occurrences in any live state.
  const isMixed = planParts > 0
  const places = [
    ...(isMixed || states.has('pending') || states.has('running') ? active : []),
    ...(isMixed || states.has('queued') ? queued : []),
  ].filter((entry) => isInSpan(entry, query))
  places.sort(compareAddresses)
  const cut = cutAt === null ? null : placeOf(cutAt)
  if (order === 'descending') places.reverse()
  const isBehind = (place: string, other: string) => (order === 'ascending' ? place > other : place < other)
  return places.filter((entry) => {
    const place = placeOf(entry)
    return (after === null || isBehind(place, after)) && (cut === null || !isBehind(place, cut))
  })
}

// ----------------------------------------------------------------------------------------------------------------- live

/** The position in the index at which the next page of live occurrences begins. */
interface LivePlace {
  readonly partition: number
  readonly start: Item | null
  /** The priority levels whose partitions come after the present partition; absent if no level follows. */
  readonly levels?: readonly number[]
}

async function listLive(table: Table, query: Query<'live'>): Promise<Page<OccurrenceRecord>> {
  let place: LivePlace = query.cursor === null ? { partition: 0, start: null } : readLivePlace(query.cursor)
  let partitions = partitionsIn(query.state, place)
  const items: OccurrenceRecord[] = []
  // If a partition has no matching occurrence, the same call reads the next partition.
  while (place.partition < partitions.length && items.length === 0) {
    const partition = partitions[place.partition] as LivePartition
    const { deadlineBefore } = query
    const page = await table.requests.query({
      ...liveQuery(table, partition, deadlineBefore === undefined ? {} : { to: deadlineBefore }),
      Limit: query.limit,
      ...(place.start !== null && { ExclusiveStartKey: place.start }),
    })
    const hints = page.items.filter((item) => !isMarker(item)).map(hintOf)
    for (const stored of await loadOccurrences(table, hints, query)) {
      // The state of the occurrence may have changed since the index entry was written.
      if (stored !== null && matches(stored.record, query, partition.group)) items.push(stored.record)
    }
    const levels = [...(place.levels ?? []), ...levelsAmong(page.items)]
    const next = page.last === null ? place.partition + 1 : place.partition
    place = { partition: next, start: page.last, ...(levels.length > 0 && { levels }) }
    partitions = partitionsIn(query.state, place)
  }
  return { items, cursor: place.partition < partitions.length ? printLivePlace(place) : null }
}

/**
 * Returns the partitions to read for a state. The first partition of pending occurrences begins with markers, which contain
 * the used priority levels. So these levels are known before their partitions are read.
 */
function partitionsIn(state: Query<'live'>['state'], { levels = [] }: LivePlace): readonly LivePartition[] {
  const groups: readonly LiveGroup[] = state === 'running' ? ['running', 'canceling'] : [state]
  return [
    ...groups.flatMap((group) => partitionsOf(group)),
    ...levels.flatMap((level) => partitionsOf('pending', level)),
  ]
}

function matches(record: OccurrenceRecord, { state, node, deadlineBefore }: Query<'live'>, group: LiveGroup): boolean {
  if (record.state !== state || (node !== undefined && record.owner?.node !== node)) return false
  // An index entry may be outdated. If the record has no cancel request, the occurrence belongs to the group `running`, and not
  // to `canceling`.
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
    // A parse error needs no handling here: the code below reports the invalid cursor.
  }
  throw cursorError(cursor)
}

// --------------------------------------------------------------------------------------------------------------- cursors

/** Returns the sort key of a record, which is also the cursor of a page whose last item is this record. */
function placeOf({ scheduledAt, id }: Pick<OccurrenceAddress, 'scheduledAt' | 'id'>): string {
  return `${sortableInstant(scheduledAt)}/${uuidOf(id)}`
}

function readPlace(cursor: string): string {
  if (/^-?\d{16}\/[0-9a-f-]{36}$/.test(cursor)) return cursor
  throw cursorError(cursor)
}

/**
 * The entries that a query of one index partition has returned. `seenUpTo`: the last entry that DynamoDB has examined for this
 * query; `null` if it has examined the whole partition.
 */
interface ShardPage {
  readonly hints: readonly FailedHint[]
  readonly seenUpTo: string | null
}

/** An entry of the index of failures. The entry is only a hint, because the index follows the table with a delay. */
interface FailedHint extends OccurrenceAddress {
  readonly order: string
}

/** Returns a page of failures, merged from the index partitions. All failures of one job are in one partition. */
async function listFailed(table: Table, query: Query<'failed'>): Promise<Page<OccurrenceRecord>> {
  const { limit, jobId, cursor } = query
  const bounds = boundsOf(query, cursor === null ? null : readPlace(cursor))
  if (bounds.lower > bounds.upper) return { items: [], cursor: null }
  const shards =
    jobId === undefined ? Array.from({ length: failedShardCount }, (_, shard) => shard) : [failedShardOf(jobId)]
  const pages = await Promise.all(shards.map(async (shard) => await queryShard(table, shard, query, bounds)))
  const sign = query.order === 'ascending' ? 1 : -1
  const compare = (left: string, right: string) => sign * (left < right ? -1 : left > right ? 1 : 0)
  const [seenUpTo = null] = pages.flatMap(({ seenUpTo: place }) => place ?? []).sort(compare)
  // The query of a partition may end before the end of the partition. The entry `seenUpTo` is the last entry that DynamoDB has
  // examined. After it, the merged list may lack entries. So the page ends at the first `seenUpTo` of all partitions, in the
  // order of the query.
  const sure = pages
    .flatMap(({ hints }) => hints)
    .filter(({ order }) => seenUpTo === null || compare(order, seenUpTo) <= 0)
    .sort((left, right) => compare(left.order, right.order))
  const taken = sure.slice(0, limit)
  const found = await loadOccurrences(table, taken, query)
  const items = found.flatMap((stored) => stored?.record ?? []).filter(({ state }) => isFailure(state))
  return { items, cursor: sure.length > limit ? (taken.at(-1)?.order ?? null) : seenUpTo }
}

async function queryShard(table: Table, shard: number, query: Query<'failed'>, bounds: KeyBounds): Promise<ShardPage> {
  const base = failedQuery(table, shard, bounds)
  const job = query.jobId === undefined ? {} : { ':job': text(table.keys.history(query.jobId)) }
  const { items, last } = await table.requests.query({
    ...base,
    ExpressionAttributeValues: { ...base.ExpressionAttributeValues, ...job },
    ScanIndexForward: query.order === 'ascending',
    // Each partition contains failures of several jobs, so a query for one job has a filter. DynamoDB applies a filter
    // after the limit, so this query has no limit.
    ...(query.jobId === undefined ? { Limit: limitOfShard(query.limit) } : { FilterExpression: 'pk = :job' }),
  })
  const hints = items.map((item) => ({ ...addressOfKey(keyOf(item)), order: textOf(item, names.failedOrder) }))
  return { hints, seenUpTo: last === null ? null : textOf(last, names.failedOrder) }
}

/** Builds the query for one partition of the index of failures. */
function failedQuery({ keys }: Table, shard: number, bounds: KeyBounds): QueryInput {
  return {
    IndexName: failedIndex,
    KeyConditionExpression: `${names.failedPartition} = :place AND ${names.failedOrder} BETWEEN :lower AND :upper`,
    ExpressionAttributeValues: {
      ':place': text(keys.failedPartition(shard)),
      ':lower': text(bounds.lower),
      ':upper': text(bounds.upper),
    },
  }
}

/**
 * Returns the number of entries to read from each partition for a page of `limit` entries. Jobs are spread evenly over
 * the partitions, so each partition needs only its share plus a reserve.
 */
function limitOfShard(limit: number): number {
  return Math.min(limit + 1, Math.ceil((limit / failedShardCount) * 1.5) + 16)
}

/**
 * The search for a job's latest run passes over occurrences that were not run, such as skipped slots. This number is the
 * maximum number of occurrences that the search passes over.
 */
const passedOver = 1000

/** Returns the latest finished run of each job. Reads the history of each job from the end. */
export async function latestRuns(table: Table, jobs: readonly JobId[]): Promise<readonly (OccurrenceRecord | null)[]> {
  const found: (OccurrenceRecord | null)[] = []
  for (const some of groupsOf(jobs, concurrency)) {
    found.push(...(await Promise.all(some.map(async (job) => await latestRun(table, job)))))
  }
  return found
}

async function latestRun(table: Table, job: JobId): Promise<OccurrenceRecord | null> {
  const ofJob = partitionQuery(table.keys.history(job))
  let start: Item | null = null
  let looked = 0
  // The first page is small, because the newest occurrence of a job usually was run.
  for (let limit = 4; looked < passedOver; limit = 100) {
    const page: { items: readonly Item[]; last: Item | null } = await table.requests.query({
      ...ofJob,
      ExpressionAttributeValues: { ...ofJob.ExpressionAttributeValues, ':none': number(0) },
      FilterExpression: `${names.token} > :none AND attribute_exists(${names.finishedAt})`,
      ScanIndexForward: false,
      Limit: limit,
      ...(start !== null && { ExclusiveStartKey: start }),
    })
    for (const item of page.items) {
      const whole = await wholeItem(table, item, { runs: false })
      if (whole === null) continue
      const { record } = readOccurrence(whole)
      if (isFinal(record.state)) return record
    }
    if (page.last === null) return null
    start = page.last
    looked += limit
  }
  return null
}

/** A range of instants, and the order in which a query returns the occurrences in the range. */
interface InstantRange {
  /** Epoch milliseconds, inclusive. */
  readonly from?: number
  /** Epoch milliseconds, exclusive. */
  readonly to?: number
  readonly order: 'ascending' | 'descending'
}

/** The lowest and the highest sort key of a query, both inclusive. */
interface KeyBounds {
  readonly lower: string
  readonly upper: string
}

/**
 * Returns the bounds of the sort keys of one page. `place`: the sort key after which the page begins; `null` for the
 * first page. A sort key consists of an instant and an id.
 */
function boundsOf({ from, to, order }: InstantRange, place: string | null): KeyBounds {
  // A sort key consists of an instant, `/` and an id. So the bound `instant/` sorts before all keys of this instant. The bound
  // `-` sorts before all keys, and the bound `~` after all keys.
  let lower = from === undefined ? '-' : `${sortableInstant(from)}/`
  let upper = to === undefined ? '~' : `${sortableInstant(to)}/`
  if (place === null) return { lower, upper }
  // In ascending order, the lower bound comes directly after all keys that begin with `place`. In descending order, the upper
  // bound comes directly before these keys.
  if (order === 'ascending') lower = lower > `${place}~` ? lower : `${place}~`
  else upper = upper < place ? upper : before(place)
  return { lower, upper }
}

/**
 * Returns a text that sorts directly before `place`: the last character is lowered and followed by `~`, the highest
 * character.
 */
function before(place: string): string {
  return `${place.slice(0, -1)}${String.fromCharCode(place.charCodeAt(place.length - 1) - 1)}~`
}
