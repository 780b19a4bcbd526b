import type { JobId } from '@jobistemer/core'
import { cursorError, type JobQuery, type JobRecord, type Page } from '@jobistemer/core/storage'
import { readHead, readJob, type StoredHead } from './job-item.ts'
import { jobOfKey, keyOf, sortableInstant, uuidOf } from './keys.ts'
import { loadHead, type Table } from './table.ts'
import { partitionQuery } from './requests.ts'

/** A job with its stored head. */
export interface LoadedJob {
  readonly head: StoredHead
  readonly job: JobRecord
}

/** Reads jobs by id, including tombstones. An entry is `null` if the job does not exist. */
export async function loadJobs(table: Table, ids: readonly JobId[]): Promise<readonly (LoadedJob | null)[]> {
  const { requests, keys } = table
  const heads = await requests.getAll(ids.map((id) => keys.head(id)))
  const found = ids.map((id) => {
    const item = heads.get(keys.head(id))
    return item === null ? null : readHead(item)
  })
  // Takes the versions from the cache now, because concurrent calls may evict them from the cache during the next read.
  const known = found.map((head) => (head === null ? undefined : table.versions.get(head)))
  const wanted = found.filter((head, index) => head !== null && known[index] === undefined) as readonly StoredHead[]
  const versions = await requests.getAll(wanted.map((head) => keys.version(head.id, head.version)))
  const loaded = found.map(async (head, index) => {
    if (head === null) return null
    const version = known[index] ?? versions.get(keys.version(head.id, head.version))
    if (version === null) return await reload(table, head)
    table.versions.keep(head, version)
    return { head, job: readJob(head, version) }
  })
  return await Promise.all(loaded)
}

/**
 * Reads a job again, because its version was pruned after the read of its head. The job has another version now, or was
 * removed.
 */
async function reload(table: Table, before: StoredHead): Promise<LoadedJob | null> {
  const head = await loadHead(table, before.id)
  if (head === null || (head.version === before.version && head.createdAt === before.createdAt)) return null
  return (await loadJobs(table, [before.id]))[0] ?? null
}

/** Maximum number of entries in the registry of jobs that a call reads for one page. */
const lookLimit = 1000

export async function listJobs(table: Table, query: JobQuery): Promise<Page<JobRecord>> {
  const { changedSince } = query
  if (changedSince !== undefined) {
    const changed = await changedSinceThen(table, changedSince)
    if (changed !== null) return await pageOfChanged(table, query, changed)
  }
  return await pageById(table, query)
}

async function pageById(table: Table, query: JobQuery): Promise<Page<JobRecord>> {
  const { requests, keys } = table
  const { limit, deleted = false } = query
  const after = query.cursor === null ? 'id/' : `id/${readCursor(query.cursor)}`
  const { items, last } = await requests.query({
    ...partitionQuery(keys.registry, [after, 'id/~']),
    Limit: Math.min(limit + 1, lookLimit),
  })
  const places = items.filter((item) => keyOf(item).sk !== after)
  const ids = places.slice(0, limit).map((item) => jobOfKey(keyOf(item).sk))
  const living = deleted ? ids : ids.filter((_, index) => places[index]?.d === undefined)
  const jobs = await matching(table, query, living)
  const isLast = last === null && places.length <= limit
  return { items: jobs, cursor: isLast ? null : (ids.at(-1) ?? query.cursor) }
}

/**
 * Returns the ids of the jobs that changed at or after the instant. Returns `null` if more than `lookLimit` jobs changed,
 * because sorting them would need too many reads.
 */
async function changedSinceThen({ requests, keys }: Table, since: number): Promise<readonly JobId[] | null> {
  const ids: JobId[] = []
  const query = partitionQuery(keys.registry, [`change/${sortableInstant(since)}`, 'change/~'])
  for await (const item of requests.queryAll(query)) {
    if (ids.push(jobOfKey(keyOf(item).sk)) > lookLimit) return null
  }
  return ids.sort()
}

async function pageOfChanged(table: Table, query: JobQuery, ids: readonly JobId[]): Promise<Page<JobRecord>> {
  const after = query.cursor === null ? '' : `job_${readCursor(query.cursor)}`
  const rest = ids.filter((id) => id > after)
  const wanted = rest.slice(0, query.limit)
  const items = await matching(table, query, wanted)
  return { items, cursor: rest.length > wanted.length ? (wanted.at(-1) ?? null) : null }
}

async function matching(table: Table, query: JobQuery, ids: readonly JobId[]): Promise<readonly JobRecord[]> {
  const { changedSince = Number.NEGATIVE_INFINITY, owner, deleted = false } = query
  const loaded = await loadJobs(table, ids)
  return loaded
    .flatMap((found) => found?.job ?? [])
    .filter(
      (job) =>
        (deleted || job.deletedAt === null) &&
        job.changedAt >= changedSince &&
        (owner === undefined || job.owner === owner),
    )
}

function readCursor(cursor: string): string {
  if (/^job_[0-9a-f-]{36}$/.test(cursor)) return uuidOf(cursor as JobId)
  throw cursorError(cursor)
}
