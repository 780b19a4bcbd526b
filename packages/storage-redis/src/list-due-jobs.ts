import type { JobId } from '@jobistemer/core'
import {
  codec1,
  cursorError,
  type DueJobs,
  type JobQuery,
  type JobRecord,
  type Page,
  shardCount,
} from '@jobistemer/core/storage'
import type { Connection, ScriptArgument, ScriptCall } from './connection.ts'
import { bytesOfId } from './ids.ts'
import { type JobParts, readJob } from './job-form.ts'
import { parseFields } from './layout.ts'
import type { Ledger } from './ledger.ts'
import { mergePages, type ShardPage } from './merge-pages.ts'
import { layouts } from './request-layouts.ts'
import { listDueJobsScript } from './scripts/list-due-jobs.ts'

const { readJobId } = codec1

/** A position in the order of jobs by next instant. */
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
  const calls = Array.from({ length: shards }, (_, shard): ScriptCall => {
    return { script: listDueJobsScript, shard, shards, arguments: values }
  })
  const pages = (await readAll(connection, calls)).map(readPage)
  const placeOf = ({ nextAt, id }: JobRecord): Place => ({ nextAt: nextAt as number, id })
  const { items, next } = mergePages(pages, limit, { placeOf, compare: comparePlaces })
  return { items, cursor: next === null ? null : `${next.nextAt} ${next.id}` }
}

/** Returns the answers of all calls. Repeats a call that answered `again`, because that call only updated the index. */
async function readAll(connection: Connection, calls: readonly ScriptCall[]): Promise<readonly unknown[]> {
  const replies = [...(await connection.read(calls))]
  for (;;) {
    const open = [...replies.keys()].filter((index) => !Array.isArray(replies[index]))
    if (open.length === 0) return replies
    const more = await connection.read(open.map((index) => calls[index] as ScriptCall))
    for (const [position, index] of open.entries()) replies[index] = more[position]
  }
}

/** Returns the page size for one shard. Jobs are spread evenly, so each of many shards returns about its share of a page. */
function limitOfShard(limit: number, shards: number): number {
  const part = Math.ceil((limit / shards) * 1.5) + 16
  return Math.min(limit, 1000, shards === 1 ? limit : part)
}

function printWanted(shards: readonly number[]): Buffer {
  const wanted = Buffer.alloc(shardCount)
  for (const shard of shards) wanted[shard] = 1
  return wanted
}

function readPage(reply: unknown): ShardPage<JobRecord, Place> {
  const [position, jobs] = reply as readonly [Buffer, readonly JobParts[]]
  const items = jobs.map(readJob)
  if (position.length === 0) return { items, seenUpTo: null }
  const { nextAt } = parseFields(layouts.duePlace, position)
  return { items, seenUpTo: { nextAt, id: readJobId(position, layouts.duePlace.at.job) } }
}

function comparePlaces(left: Place, right: Place): number {
  return left.nextAt - right.nextAt || (left.id < right.id ? -1 : left.id > right.id ? 1 : 0)
}

function readCursor(cursor: string): Place {
  const match = /^(-?\d+) (job_[0-9a-f-]{36})$/.exec(cursor)
  if (match === null) throw cursorError(cursor)
  return { nextAt: Number(match[1]), id: match[2] as JobId }
}
