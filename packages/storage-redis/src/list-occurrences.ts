import {
  codec1,
  compareAddresses,
  cursorError,
  isFinal,
  type OccurrenceQuery,
  type OccurrenceRecord,
  type Page,
} from '@jobistemer/core/storage'
import { bytesOfId, shardOf } from './ids.ts'
import type { Ledger, ScriptArgument } from './connection.ts'
import { always, never, printFields } from './layout.ts'
import { mergePages } from './read-records.ts'
import { printNode, readOccurrence } from './occurrence-form.ts'
import { layouts } from './layouts.ts'
import type { Script } from './script.ts'
import { listHistoryScript, listLiveOfJobScript, listSetScript } from './scripts/reads.ts'

const { readOccurrenceId, stateCodes } = codec1

type Query<Kind extends OccurrenceQuery['kind']> = Extract<OccurrenceQuery, { readonly kind: Kind }>

/**
 * The position at which a page ends: the score of the last member of a sorted set that the page contains, and this member in
 * hexadecimal.
 */
interface Cursor {
  readonly score: string
  readonly member: string
}

/**
 * If a call finds an empty page, up to this number of further calls search for the next items. So callers rarely
 * receive an empty page.
 */
const mostEmpty = 100

export async function listOccurrences(ledger: Ledger, query: OccurrenceQuery): Promise<Page<OccurrenceRecord>> {
  if (query.kind === 'live') return await listLive(ledger, query)
  if (query.kind === 'failed') return await listFailed(ledger, query)
  const { states } = query
  return states?.every((state) => !isFinal(state)) === true
    ? await listLiveOfJob(ledger, query)
    : readPage(await askOfJob(ledger, query, listHistoryScript), '')
}

async function askOfJob({ connection }: Ledger, query: Query<'job'>, script: Script): Promise<unknown> {
  const shards = await connection.shards()
  const codes = Buffer.from(query.states?.map((state) => stateCodes[state]) ?? [])
  const values = [...printPaging(query, readCursor(query.cursor)), bytesOfId(query.jobId), codes]
  return await connection.read({ script, shard: shardOf(query.jobId, shards), shards, arguments: values })
}

/**
 * Lists the live occurrences of a job. If the job has few of them, the script returns all of them unsorted, and this function
 * sorts them. If the job has many, the script reads the history in order, and returns a sorted page.
 */
async function listLiveOfJob(ledger: Ledger, query: Query<'job'>): Promise<Page<OccurrenceRecord>> {
  let page = await lookForLive(ledger, query)
  for (let looks = 1; looks < mostEmpty && page.items.length === 0 && page.cursor !== null; looks++) {
    page = await lookForLive(ledger, { ...query, cursor: page.cursor })
  }
  return page
}

async function lookForLive(ledger: Ledger, query: Query<'job'>): Promise<Page<OccurrenceRecord>> {
  const { jobId, cursor, limit, from = always, to = never, order } = query
  const reply = await askOfJob(ledger, query, listLiveOfJobScript)
  const [kind, records, position] = reply as readonly [Buffer, readonly Buffer[], Buffer]
  if (kind.toString() === 'page') return readPage([position, records], '')
  const sign = order === 'ascending' ? 1 : -1
  const place = readCursor(cursor)
  const last =
    place === null
      ? null
      : { id: readOccurrenceId(Buffer.from(place.member, 'hex'), 0), jobId, scheduledAt: Number(place.score) }
  const found = readRecords(records)
    .filter(({ scheduledAt }) => scheduledAt >= from && scheduledAt < to)
    .filter((record) => last === null || sign * compareAddresses(record, last) > 0)
    .sort((left, right) => sign * compareAddresses(left, right))
  const items = found.slice(0, limit)
  const end = items.at(-1)
  if (end === undefined || found.length === items.length) return { items, cursor: null }
  return { items, cursor: `${end.scheduledAt} ${bytesOfId(end.id).toString('hex')}` }
}

/** Lists live occurrences shard after shard. The cursor contains the number of the shard. */
async function listLive({ connection }: Ledger, query: Query<'live'>): Promise<Page<OccurrenceRecord>> {
  const { state, cursor, limit, runs, node, deadlineBefore } = query
  const shards = await connection.shards()
  const isRunning = state === 'running'
  const to = isRunning && deadlineBefore !== undefined ? deadlineBefore + 1 : never
  const owner = isRunning && node !== undefined ? printNode(node) : ''
  let shard = cursor === null ? 0 : readShard(cursor, shards)
  let place = readCursor(cursor?.slice(cursor.indexOf('/') + 1) ?? null)
  const items: OccurrenceRecord[] = []
  for (;;) {
    const values = [...printPaging({ limit: limit - items.length, to, runs }, place), state, owner]
    const reply = await connection.read({ script: listSetScript, shard, shards, arguments: values })
    const page = readPage(reply, `${shard}/`)
    items.push(...page.items)
    if (page.cursor !== null) return { items, cursor: page.cursor }
    shard++
    place = null
    if (shard === shards) return { items, cursor: null }
    if (items.length >= limit) return { items, cursor: `${shard}/` }
  }
}

/** Lists failed occurrences of one job, or of all jobs by concurrent calls to all shards. */
async function listFailed({ connection }: Ledger, query: Query<'failed'>): Promise<Page<OccurrenceRecord>> {
  const { jobId, limit, order } = query
  const shards = await connection.shards()
  const key = jobId === undefined ? 'failed' : Buffer.concat([Buffer.from('f:'), bytesOfId(jobId)])
  const values = [...printPaging(query, readCursor(query.cursor)), key, '']
  const asked = jobId === undefined ? [...Array(shards).keys()] : [shardOf(jobId, shards)]
  const calls = asked.map((shard) => ({ script: listSetScript, shard, shards, arguments: values }))
  const replies = await connection.readAll(calls)
  const pages = replies.map((reply) => {
    const { items, cursor } = readPage(reply, '')
    return { items, seenUpTo: readCursor(cursor) }
  })
  const sign = order === 'ascending' ? 1 : -1
  const { items, next } = mergePages(pages, limit, {
    placeOf: ({ id, jobId: itsJob, finishedAt }) => {
      const member = jobId === undefined ? [bytesOfId(id), bytesOfId(itsJob)] : [bytesOfId(id)]
      return { score: String(finishedAt), member: Buffer.concat(member).toString('hex') }
    },
    compare: (left, right) => sign * compareCursors(left, right),
  })
  return { items, cursor: next === null ? null : `${next.score} ${next.member}` }
}

function compareCursors(left: Cursor, right: Cursor): number {
  const order = Number(left.score) - Number(right.score)
  return order || (left.member < right.member ? -1 : left.member > right.member ? 1 : 0)
}

type Paging = Pick<Query<'failed'>, 'limit' | 'runs'> & Partial<Pick<Query<'failed'>, 'from' | 'to' | 'order'>>

/**
 * Prints the limit, range and order of a listing as arguments of a script. Also prints the position after which the listing
 * begins: a member of the sorted set, and its score.
 */
function printPaging(
  { limit, from = always, to = never, order, runs }: Paging,
  place: Cursor | null,
): readonly ScriptArgument[] {
  const isDescending = order === 'descending'
  const paging = printFields(layouts.paging, { limit: Math.min(limit, 1000), from, to, isDescending, withRuns: runs })
  return [paging, place?.score ?? '', Buffer.from(place?.member ?? '', 'hex')]
}

function readPage(reply: unknown, cursorPrefix: string): Page<OccurrenceRecord> {
  const [position, found] = reply as readonly [Buffer, readonly Buffer[]]
  const items = readRecords(found)
  if (position.length === 0) return { items, cursor: null }
  const space = position.indexOf(' ')
  const [score, member] = [position.toString('latin1', 0, space), position.toString('hex', space + 1)]
  return { items, cursor: `${cursorPrefix}${score} ${member}` }
}

/**
 * Reads a list of pairs: a member of a sorted set, and the record of this member. A member begins with the id of the
 * occurrence.
 */
function readRecords(found: readonly Buffer[]): OccurrenceRecord[] {
  const records: OccurrenceRecord[] = []
  for (let index = 0; index < found.length; index += 2) {
    records.push(readOccurrence(readOccurrenceId(found[index] as Buffer, 0), found[index + 1] as Buffer))
  }
  return records
}

/** Parses a cursor. `null` is the beginning of the list. */
function readCursor(cursor: string | null): Cursor | null {
  if (cursor === null || cursor === '') return null
  const match = /^(-?\d+) ((?:[0-9a-f]{32}){1,2})$/.exec(cursor)
  if (match === null) throw cursorError(cursor)
  return { score: match[1] as string, member: match[2] as string }
}

function readShard(cursor: string, shards: number): number {
  const shard = Number(/^(\d+)\//.exec(cursor)?.[1])
  if (!(shard < shards)) throw cursorError(cursor)
  return shard
}
