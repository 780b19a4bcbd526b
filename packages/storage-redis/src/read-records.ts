import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  codec1,
  cursorError,
  type DueJobs,
  type GetAnswer,
  type GetRequest,
  type JobQuery,
  type JobRecord,
  type JobVersionRecord,
  type LiveCounts,
  type OccurrenceRecord,
  type Page,
  shardCount,
} from '@jobistemer/core/storage'
import type { Connection, Ledger, ScriptArgument, ScriptCall } from './connection.ts'
import { bytesOfId, shardOf } from './ids.ts'
import { type JobParts, readJob, readVersion } from './job-form.ts'
import { always, parseFields, printFields } from './layout.ts'
import { printOptional, readOccurrence } from './occurrence-form.ts'
import { layouts } from './layouts.ts'
import type { Script } from './script.ts'
import { getScript, listDueJobsScript, listJobsScript } from './scripts/reads.ts'

const { readJobId, readOccurrenceId } = codec1

type GetReply = readonly [
  jobs: readonly JobParts[],
  versions: readonly Buffer[],
  occurrences: readonly Buffer[],
  counts: readonly Buffer[],
  countsOfShard: Buffer,
  latest: readonly Buffer[],
]

const nothing: LiveCounts = Object.freeze({ pending: 0, queued: 0, running: 0 })

/** Groups the items of a read request by shard. Collects the answers in the order of the items; `null` for a missing record. */
function questionsOf<Item, Answer extends { readonly length: number }, Found>(
  items: readonly Item[],
  shardOfItem: (item: Item) => number,
  read: (answer: Answer, item: Item) => Found,
) {
  const found: (Found | null)[] = items.map(() => null)
  const byShard = new Map<number, number[]>()
  for (const [index, item] of items.entries()) {
    const shard = shardOfItem(item)
    byShard.set(shard, byShard.get(shard) ?? [])
    byShard.get(shard)?.push(index)
  }
  return {
    found,
    print(shard: number, printItem: (item: Item) => Buffer): Buffer {
      return Buffer.concat((byShard.get(shard) ?? []).map((index) => printItem(items[index] as Item)))
    },
    take(shard: number, answers: readonly Answer[]): void {
      for (const [position, index] of (byShard.get(shard) ?? []).entries()) {
        const answer = answers[position] as Answer
        if (answer.length > 0) found[index] = read(answer, items[index] as Item)
      }
    },
  }
}

/**
 * Reads jobs, occurrences and counts. Searches all shards for occurrences, because an occurrence's id does not say to
 * which job and shard the occurrence belongs.
 */
export async function get({ connection }: Ledger, request: GetRequest): Promise<GetAnswer> {
  const { occurrences = [], counts = [] } = request
  const shards = await connection.shards()
  const shardOfJob = (job: JobId) => shardOf(job, shards)
  const jobs = questionsOf(request.jobs ?? [], shardOfJob, readJob)
  const versions = questionsOf(
    request.versions ?? [],
    ({ jobId }) => shardOfJob(jobId),
    (text: Buffer, { jobId, version }) => ({ jobId, version, ...readVersion(text) }),
  )
  const countsOfJobs = questionsOf(counts, (job) => (job === 'all' ? -1 : shardOfJob(job)), readCounts)
  const latest = questionsOf(request.latest ?? [], shardOfJob, (record: Buffer) =>
    readOccurrence(readOccurrenceId(record, 0), record.subarray(16)),
  )
  const isAboutAll = occurrences.length > 0 || counts.includes('all')
  const occurrenceKeys = Buffer.concat(occurrences.map(bytesOfId))
  const calls = [...Array(shards).keys()].flatMap((shard): ScriptCall | readonly [] => {
    const parts = [
      jobs.print(shard, bytesOfId),
      versions.print(shard, printVersionKey),
      countsOfJobs.print(shard, (job) => bytesOfId(job as JobId)),
      latest.print(shard, bytesOfId),
    ] as const
    if (!isAboutAll && parts.every(({ length }) => length === 0)) return []
    const [ofJobs, ofVersions, ofCounts, ofLatest] = parts
    const values = [ofJobs, ofVersions, occurrenceKeys, ofCounts, counts.includes('all') ? '1' : '', ofLatest]
    return { script: getScript, shard, shards, arguments: values }
  })
  const replies = (await connection.readAll(calls)) as readonly GetReply[]
  const foundOccurrences: (OccurrenceRecord | null)[] = occurrences.map(() => null)
  let all = nothing
  for (const [call, [jobParts, versionTexts, texts, jobCounts, countsOfShard, lastOnes]] of replies.entries()) {
    const { shard } = calls[call] as ScriptCall
    jobs.take(shard, jobParts)
    versions.take(shard, versionTexts)
    countsOfJobs.take(shard, jobCounts)
    latest.take(shard, lastOnes)
    for (const [index, text] of texts.entries()) {
      if (text.length > 0) foundOccurrences[index] = readOccurrence(occurrences[index] as OccurrenceId, text)
    }
    if (countsOfShard.length > 0) {
      const { pending, queued, running } = readCounts(countsOfShard)
      all = { pending: all.pending + pending, queued: all.queued + queued, running: all.running + running }
    }
  }
  return {
    jobs: jobs.found,
    versions: versions.found,
    occurrences: foundOccurrences,
    counts: countsOfJobs.found.map((found, index) => (counts[index] === 'all' ? all : (found ?? nothing))),
    latest: latest.found,
  }
}

function printVersionKey({ jobId, version }: Pick<JobVersionRecord, 'jobId' | 'version'>): Buffer {
  const key = Buffer.concat([bytesOfId(jobId), Buffer.alloc(4)])
  key.writeUInt32LE(version, 16)
  return key
}

function readCounts(bytes: Buffer): LiveCounts {
  return parseFields(layouts.counts, bytes)
}

/** Returns one page of jobs, merged from all shards. */
export async function listJobs({ connection }: Ledger, query: JobQuery): Promise<Page<JobRecord>> {
  const { limit, cursor, changedSince, owner, deleted = false } = query
  const shards = await connection.shards()
  const paging = { limit: Math.min(limit, 1000), since: changedSince ?? always, withDeleted: deleted }
  const after = cursor === null ? '' : bytesOfId(cursor as JobId)
  const values = [printFields(layouts.listJobs, paging), after, owner === undefined ? '' : printOptional(owner)]
  const calls = callsOfAll(listJobsScript, shards, values)
  const pages = (await connection.readAll(calls)).map((reply) => readPage(reply, (place) => readJobId(place, 0)))
  const { items, next } = mergePages(pages, limit, { placeOf: ({ id }) => id, compare: compareTexts })
  return { items, cursor: next }
}

/** Returns the same call for each shard. */
function callsOfAll(script: Script, shards: number, values: readonly ScriptArgument[]): readonly ScriptCall[] {
  return Array.from({ length: shards }, (_, shard) => ({ script, shard, shards, arguments: values }))
}

function compareTexts(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

/** The next instant and the id of a job, by which due jobs are sorted. */
interface Place {
  readonly nextAt: number
  readonly id: JobId
}

/** Returns one page of the jobs whose next instant is due. Calls all shards concurrently and merges their answers. */
export async function listDueJobs(
  { connection }: Ledger,
  { limit, cursor }: JobQuery,
  { after, upTo, shards: wanted }: DueJobs,
): Promise<Page<JobRecord>> {
  const shards = await connection.shards()
  const place = cursor === null ? null : readCursor(cursor)
  const values: readonly ScriptArgument[] = [
    limitOfShard(limit, shards),
    place?.nextAt ?? after ?? '-inf',
    place === null ? '' : bytesOfId(place.id),
    upTo,
    wanted === undefined ? '' : printWanted(wanted),
  ]
  const replies = await readAll(connection, callsOfAll(listDueJobsScript, shards, values))
  const pages = replies.map((reply) => readPage(reply, readDuePlace))
  const placeOf = ({ nextAt, id }: JobRecord): Place => ({ nextAt: nextAt as number, id })
  const { items, next } = mergePages(pages, limit, { placeOf, compare: comparePlaces })
  return { items, cursor: next === null ? null : `${next.nextAt} ${next.id}` }
}

/** Returns the answers of all calls. Repeats a call that answered `again`, because that call only updated the index. */
async function readAll(connection: Connection, calls: readonly ScriptCall[]): Promise<readonly unknown[]> {
  const replies = [...(await connection.readAll(calls))]
  for (;;) {
    const open = [...replies.keys()].filter((index) => !Array.isArray(replies[index]))
    if (open.length === 0) return replies
    const more = await connection.readAll(open.map((index) => calls[index] as ScriptCall))
    for (const [position, index] of open.entries()) replies[index] = more[position]
  }
}

/**
 * Returns the page size for one shard. Jobs are spread evenly over the shards. So if there are many shards, each shard
 * needs to return only about its share of a page.
 */
function limitOfShard(limit: number, shards: number): number {
  const part = Math.ceil((limit / shards) * 1.5) + 16
  return Math.min(limit, 1000, shards === 1 ? limit : part)
}

function printWanted(shards: readonly number[]): Buffer {
  const wanted = Buffer.alloc(shardCount)
  for (const shard of shards) wanted[shard] = 1
  return wanted
}

/** Reads a shard's answer: jobs, and the place up to which the shard was searched. */
function readPage<Place>(reply: unknown, readPlace: (bytes: Buffer) => Place): ShardPage<JobRecord, Place> {
  const [position, jobs] = reply as readonly [Buffer, readonly JobParts[]]
  return { items: jobs.map(readJob), seenUpTo: position.length === 0 ? null : readPlace(position) }
}

function readDuePlace(position: Buffer): Place {
  const { nextAt } = parseFields(layouts.duePlace, position)
  return { nextAt, id: readJobId(position, layouts.duePlace.at.job) }
}

function comparePlaces(left: Place, right: Place): number {
  return left.nextAt - right.nextAt || compareTexts(left.id, right.id)
}

function readCursor(cursor: string): Place {
  const match = /^(-?\d+) (job_[0-9a-f-]{36})$/.exec(cursor)
  if (match === null) throw cursorError(cursor)
  return { nextAt: Number(match[1]), id: match[2] as JobId }
}

/** A page of one shard. `seenUpTo`: the item up to which the shard was searched; `null` if it was searched to its end. */
interface ShardPage<Item, Place> {
  readonly items: readonly Item[]
  readonly seenUpTo: Place | null
}

/**
 * Merges the pages of all shards into one page. `next` says after which item the next page begins; `null` if no items are left.
 */
export function mergePages<Item, Place>(
  pages: readonly ShardPage<Item, Place>[],
  limit: number,
  order: { readonly placeOf: (item: Item) => Place; readonly compare: (left: Place, right: Place) => number },
): { readonly items: readonly Item[]; readonly next: Place | null } {
  const { placeOf, compare } = order
  const found = pages.flatMap(({ items }) => items).sort((left, right) => compare(placeOf(left), placeOf(right)))
  // A shard may have unread items after its `seenUpTo`. In the order of the page, these items may come before items that other
  // shards have found. So `mergePages` leaves out all found items after the least `seenUpTo` of all shards.
  const [seenUpTo = null] = pages.flatMap(({ seenUpTo: place }) => (place === null ? [] : [place])).sort(compare)
  const sure = seenUpTo === null ? found : found.filter((item) => compare(placeOf(item), seenUpTo) <= 0)
  const items = sure.slice(0, limit)
  return { items, next: sure.length > limit ? placeOf(items.at(-1) as Item) : seenUpTo }
}
