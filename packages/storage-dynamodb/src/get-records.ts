import type { JobId } from '@jobistemer/core'
import type { GetAnswer, GetRequest, LiveCounts } from '@jobistemer/core/storage'
import { text } from './attributes.ts'
import { readVersion } from './job-item.ts'
import { JobReading } from './job-reading.ts'
import { type LivePartition, liveQuery, noMarkers, onlyMarkers, partitionsOf } from './live-index.ts'
import { latestRuns } from './query-occurrences.ts'
import { loadJobs } from './query-jobs.ts'
import { findAddresses, loadHead, loadOccurrences, type Table } from './table.ts'

export async function get(
  table: Table,
  { jobs = [], versions = [], occurrences = [], counts = [], latest = [] }: GetRequest,
): Promise<GetAnswer> {
  const { requests, keys } = table
  const [foundJobs, foundVersions, addresses, foundCounts, foundLatest] = await Promise.all([
    loadJobs(table, jobs),
    requests.getAll(versions.map(({ jobId, version }) => keys.version(jobId, version))),
    findAddresses(table, occurrences),
    Promise.all(counts.map(async (of) => (of === 'all' ? await countAll(table) : await countOfJob(table, of)))),
    latestRuns(table, latest),
  ])
  const stored = await loadOccurrences(
    table,
    addresses.flatMap((address) => address ?? []),
  )
  const records = new Map(stored.flatMap((found) => (found === null ? [] : [[found.record.id, found.record]])))
  return {
    jobs: foundJobs.map((found) => found?.job ?? null),
    versions: versions.map(({ jobId, version }) => {
      const item = foundVersions.get(keys.version(jobId, version))
      return item === null ? null : readVersion(item)
    }),
    occurrences: occurrences.map((id) => {
      const record = records.get(id)
      return record === undefined ? null : structuredClone(record)
    }),
    counts: foundCounts,
    latest: foundLatest,
  }
}

/**
 * Counts the live occurrences of a job. The head contains the number of queued occurrences. If the head lists all active
 * occurrences, this function reads their records, and counts the still pending or running ones. Otherwise the index of live
 * occurrences yields the numbers of pending and running occurrences.
 */
async function countOfJob(table: Table, id: JobId): Promise<LiveCounts> {
  const job = new JobReading(table, id, await loadHead(table, id))
  const { queued } = job.counts
  if ((job.head?.pages.entries ?? 0) > 0) return { ...(await countAll(table, id)), queued }
  await job.lookAtActive()
  const { pending, running } = job.counts
  return { pending, queued, running }
}

/**
 * Counts live occurrences in the index, which lags behind the table. For an exact count, every step would have to update a
 * common item. Steps on different jobs would then conflict.
 */
async function countAll(table: Table, of: JobId | null = null): Promise<LiveCounts> {
  const [pending, prioritized, queued, running, canceling] = await Promise.all([
    countIn(table, partitionsOf('pending'), of),
    countPrioritized(table, of),
    ...(['queued', 'running', 'canceling'] as const).map((group) => countIn(table, partitionsOf(group), of)),
  ])
  return { pending: pending + prioritized, queued: queued ?? 0, running: (running ?? 0) + (canceling ?? 0) }
}

async function countPrioritized(table: Table, of: JobId | null): Promise<number> {
  const markers = await table.requests.query(liveQuery(table, { group: 'pending', shard: 0 }, onlyMarkers))
  table.levels.saw(markers.items)
  return await countIn(
    table,
    table.levels.known.flatMap((level) => partitionsOf('pending', level)),
    of,
  )
}

async function countIn(table: Table, partitions: readonly LivePartition[], of: JobId | null): Promise<number> {
  const counts = await Promise.all(
    partitions.map(async (partition) => {
      const bounds = partition.group === 'pending' ? noMarkers : {}
      const query = liveQuery(table, partition, bounds)
      if (of === null) return await table.requests.count(query)
      const values = { ...query.ExpressionAttributeValues, ':job': text(table.keys.history(of)) }
      const filter = { FilterExpression: 'pk = :job', ExpressionAttributeValues: values }
      return await table.requests.count({ ...query, ...filter })
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
