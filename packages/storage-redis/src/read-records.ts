import type {
  GetAnswer,
  GetRequest,
  JobQuery,
  JobRecord,
  JobVersionRecord,
  OccurrenceRecord,
  Page,
} from '@jobistemer/core/storage'
import { ByteWriter } from './byte-writer.ts'
import type { Connection, ScriptCall } from './connection.ts'
import { bytesOfId, readJobId, shardOf } from './ids.ts'
import { type JobParts, printTag, readJob, readVersion } from './job-form.ts'
import type { Ledger } from './ledger.ts'
import { always } from './numbers.ts'
import { readOccurrence } from './occurrence-form.ts'
import { scripts } from './script.ts'

type GetReply = readonly [
  jobs: readonly (readonly Buffer[])[],
  versions: readonly Buffer[],
  occurrences: readonly Buffer[],
]

/** Occurrences are looked for in all shards: an id does not tell its job. */
export async function get(
  { connection }: Ledger,
  { jobs = [], versions = [], occurrences = [] }: GetRequest,
): Promise<GetAnswer> {
  const shards = await connection.shards()
  const foundJobs: (JobRecord | null)[] = jobs.map(() => null)
  const foundVersions: (JobVersionRecord | null)[] = versions.map(() => null)
  const foundOccurrences: (OccurrenceRecord | null)[] = occurrences.map(() => null)
  const occurrenceKeys = Buffer.concat(occurrences.map(bytesOfId))
  const calls: ScriptCall[] = []
  const asked: { readonly jobs: readonly number[]; readonly versions: readonly number[] }[] = []
  for (let shard = 0; shard < shards; shard++) {
    const jobsHere = [...jobs.keys()].filter((index) => shardOf(jobs[index] as `job_${string}`, shards) === shard)
    const versionsHere = [...versions.keys()].filter(
      (index) => shardOf((versions[index] as JobVersionRecord).jobId, shards) === shard,
    )
    if (jobsHere.length + versionsHere.length + occurrences.length === 0) continue
    const jobKeys = Buffer.concat(jobsHere.map((index) => bytesOfId(jobs[index] as `job_${string}`)))
    const versionKeys = new ByteWriter()
    for (const index of versionsHere) {
      const { jobId, version } = versions[index] as JobVersionRecord
      versionKeys.id(jobId)
      versionKeys.uint32(version)
    }
    calls.push({ script: scripts.get, shard, arguments: [jobKeys, versionKeys.finish(), occurrenceKeys] })
    asked.push({ jobs: jobsHere, versions: versionsHere })
  }
  const replies = (await connection.read(calls)) as readonly GetReply[]
  for (const [call, [jobParts, versionTexts, texts]] of replies.entries()) {
    const here = asked[call] as (typeof asked)[number]
    for (const [position, index] of here.jobs.entries()) {
      const parts = jobParts[position] as readonly Buffer[]
      if (parts.length > 0) foundJobs[index] = readJob(parts as unknown as JobParts)
    }
    for (const [position, index] of here.versions.entries()) {
      const text = versionTexts[position] as Buffer
      const { jobId, version } = versions[index] as JobVersionRecord
      if (text.length > 0) foundVersions[index] = { jobId, version, ...readVersion(text) }
    }
    for (const [index, text] of texts.entries()) {
      const id = occurrences[index] as `occ_${string}`
      if (text.length > 0) foundOccurrences[index] = readOccurrence(id, text)
    }
  }
  return { jobs: foundJobs, versions: foundVersions, occurrences: foundOccurrences }
}

/** One page of jobs, merged from all shards. */
export async function listJobs({ connection }: Ledger, query: JobQuery): Promise<Page<JobRecord>> {
  const shards = await connection.shards()
  const pages = await Promise.all(Array.from({ length: shards }, (_, shard) => readPage(connection, shard, query)))
  const found = pages.flatMap(({ items }) => items).sort((left, right) => (left.id < right.id ? -1 : 1))
  // Beyond where some shard has stopped, others may have found what it has not.
  const seenUpTo = pages.reduce<string | null>(
    (least, { cursor }) => (cursor === null ? least : least === null || cursor < least ? cursor : least),
    null,
  )
  const sure = seenUpTo === null ? found : found.filter(({ id }) => id <= seenUpTo)
  const items = sure.slice(0, query.limit)
  if (sure.length > query.limit) return { items, cursor: (items.at(-1) as JobRecord).id }
  return { items, cursor: seenUpTo }
}

async function readPage(connection: Connection, shard: number, query: JobQuery): Promise<Page<JobRecord>> {
  const { limit, cursor, changedSince, owner, deleted = false } = query
  const writer = new ByteWriter(16)
  writer.uint32(Math.min(limit, 1000))
  writer.number(changedSince ?? always)
  writer.byte(deleted ? 1 : 0)
  const after = cursor === null ? '' : bytesOfId(cursor as `job_${string}`)
  const tag = owner === undefined ? '' : printTag(owner)
  const [reply] = await connection.read([{ script: scripts.listJobs, shard, arguments: [writer.finish(), after, tag] }])
  const [position, jobs] = reply as readonly [Buffer, readonly JobParts[]]
  const items = jobs.map(readJob)
  return { items, cursor: position.length === 0 ? null : readJobId(position, 0) }
}
