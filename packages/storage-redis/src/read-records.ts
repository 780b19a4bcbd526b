import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  codec1,
  type GetAnswer,
  type GetRequest,
  type JobQuery,
  type JobRecord,
  type JobVersionRecord,
  type LiveCounts,
  type OccurrenceRecord,
  type Page,
} from '@jobistemer/core/storage'
import { ByteWriter } from './byte-writer.ts'
import type { Connection, ScriptCall } from './connection.ts'
import { bytesOfId, shardOf } from './ids.ts'
import { type JobParts, printTag, readJob, readVersion } from './job-form.ts'
import { parseFields, printFields } from './layout.ts'
import type { Ledger } from './ledger.ts'
import { mergePages, type ShardPage } from './merge-pages.ts'
import { always } from './numbers.ts'
import { readOccurrence } from './occurrence-form.ts'
import { layouts } from './request-layouts.ts'
import { getScript } from './scripts/get.ts'
import { listJobsScript } from './scripts/list-jobs.ts'

const { readJobId, readOccurrenceId } = codec1

type GetReply = readonly [
  jobs: readonly (readonly Buffer[])[],
  versions: readonly Buffer[],
  occurrences: readonly Buffer[],
  counts: readonly Buffer[],
  countsOfShard: Buffer,
  latest: readonly Buffer[],
]

type Version = Pick<JobVersionRecord, 'jobId' | 'version'>

/** The part of a request for one shard, as positions in the request. */
interface ShardQuestion {
  readonly shard: number
  readonly jobs: number[]
  readonly versions: number[]
  readonly counts: number[]
  readonly latest: number[]
}

const nothing: LiveCounts = Object.freeze({ pending: 0, queued: 0, running: 0 })

/** Searches occurrences in all shards, because an id does not tell its job. Each shard keeps the sums of its jobs. */
export async function get({ connection }: Ledger, request: GetRequest): Promise<GetAnswer> {
  const { jobs = [], versions = [], occurrences = [], counts = [], latest = [] } = request
  const shards = await connection.shards()
  const isAboutAll = occurrences.length > 0 || counts.includes('all')
  const questions = Array.from({ length: shards }, (_, shard): ShardQuestion => {
    return { shard, jobs: [], versions: [], counts: [], latest: [] }
  })
  const questionOf = (job: JobId) => questions[shardOf(job, shards)] as ShardQuestion
  for (const [index, job] of jobs.entries()) questionOf(job).jobs.push(index)
  for (const [index, { jobId }] of versions.entries()) questionOf(jobId).versions.push(index)
  for (const [index, job] of counts.entries()) if (job !== 'all') questionOf(job).counts.push(index)
  for (const [index, job] of latest.entries()) questionOf(job).latest.push(index)
  const asked = questions.filter(({ shard: _, ...parts }) => isAboutAll || Object.values(parts).flat().length > 0)
  const occurrenceKeys = Buffer.concat(occurrences.map(bytesOfId))
  const calls = asked.map((question): ScriptCall => {
    return {
      script: getScript,
      shard: question.shard,
      shards,
      arguments: [
        Buffer.concat(question.jobs.map((index) => bytesOfId(jobs[index] as JobId))),
        printVersionKeys(question.versions.map((index) => versions[index] as Version)),
        occurrenceKeys,
        Buffer.concat(question.counts.map((index) => bytesOfId(counts[index] as JobId))),
        counts.includes('all') ? '1' : '',
        Buffer.concat(question.latest.map((index) => bytesOfId(latest[index] as JobId))),
      ],
    }
  })
  const replies = (await connection.read(calls)) as readonly GetReply[]
  const foundJobs: (JobRecord | null)[] = jobs.map(() => null)
  const foundVersions: (JobVersionRecord | null)[] = versions.map(() => null)
  const foundOccurrences: (OccurrenceRecord | null)[] = occurrences.map(() => null)
  const foundCounts: LiveCounts[] = counts.map(() => nothing)
  const foundLatest: (OccurrenceRecord | null)[] = latest.map(() => null)
  let all = nothing
  for (const [call, [jobParts, versionTexts, texts, jobCounts, countsOfShard, lastOnes]] of replies.entries()) {
    const here = asked[call] as ShardQuestion
    for (const [position, index] of here.jobs.entries()) {
      const parts = jobParts[position] as readonly Buffer[]
      if (parts.length > 0) foundJobs[index] = readJob(parts as unknown as JobParts)
    }
    for (const [position, index] of here.versions.entries()) {
      const text = versionTexts[position] as Buffer
      const { jobId, version } = versions[index] as Version
      if (text.length > 0) foundVersions[index] = { jobId, version, ...readVersion(text) }
    }
    for (const [index, text] of texts.entries()) {
      const id = occurrences[index] as OccurrenceId
      if (text.length > 0) foundOccurrences[index] = readOccurrence(id, text)
    }
    for (const [position, index] of here.counts.entries()) {
      foundCounts[index] = readCounts(jobCounts[position] as Buffer)
    }
    for (const [position, index] of here.latest.entries()) {
      const record = lastOnes[position] as Buffer
      if (record.length > 0) foundLatest[index] = readOccurrence(readOccurrenceId(record, 0), record.subarray(16))
    }
    all = sum(all, readCounts(countsOfShard))
  }
  return {
    jobs: foundJobs,
    versions: foundVersions,
    occurrences: foundOccurrences,
    counts: foundCounts.map((found, index) => (counts[index] === 'all' ? all : found)),
    latest: foundLatest,
  }
}

function printVersionKeys(versions: readonly Version[]): Buffer {
  const writer = new ByteWriter(versions.length * 20)
  for (const { jobId, version } of versions) {
    writer.id(jobId)
    writer.uint32(version)
  }
  return writer.finish()
}

/** An empty text stands for a job that does not exist. */
function readCounts(bytes: Buffer): LiveCounts {
  return bytes.length === 0 ? nothing : parseFields(layouts.counts, bytes)
}

function sum(left: LiveCounts, right: LiveCounts): LiveCounts {
  return {
    pending: left.pending + right.pending,
    queued: left.queued + right.queued,
    running: left.running + right.running,
  }
}

/** One page of jobs, merged from all shards. */
export async function listJobs({ connection }: Ledger, query: JobQuery): Promise<Page<JobRecord>> {
  const shards = await connection.shards()
  const pages = await Promise.all(
    Array.from({ length: shards }, (_, shard) => readPage(connection, { shard, shards }, query)),
  )
  const { items, next } = mergePages(pages, query.limit, {
    placeOf: ({ id }) => id,
    compare: (left, right) => (left < right ? -1 : left > right ? 1 : 0),
  })
  return { items, cursor: next }
}

async function readPage(
  connection: Connection,
  place: Pick<ScriptCall, 'shard' | 'shards'>,
  query: JobQuery,
): Promise<ShardPage<JobRecord, JobId>> {
  const { limit, cursor, changedSince, owner, deleted = false } = query
  const paging = { limit: Math.min(limit, 1000), since: changedSince ?? always, withDeleted: deleted }
  const values = printFields(layouts.listJobs, paging)
  const after = cursor === null ? '' : bytesOfId(cursor as `job_${string}`)
  const tag = owner === undefined ? '' : printTag(owner)
  const [reply] = await connection.read([{ script: listJobsScript, ...place, arguments: [values, after, tag] }])
  const [position, jobs] = reply as readonly [Buffer, readonly JobParts[]]
  const items = jobs.map(readJob)
  return { items, seenUpTo: position.length === 0 ? null : readJobId(position, 0) }
}
