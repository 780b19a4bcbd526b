import assert from 'node:assert/strict'
import type { JobId } from '@jobistemer/core'
import type { JobRecord, LiveCounts, OccurrenceRecord, Page, Storage } from '@jobistemer/core/storage'

const pageSize = 500

/**
 * Reads all pages of a query.
 * @throws Error if a cursor occurs twice
 */
export async function readPages<T>(read: (cursor: string | null) => Promise<Page<T>>): Promise<readonly T[]> {
  const items: T[] = []
  const seen = new Set<string>()
  let cursor: string | null = null
  do {
    const page: Page<T> = await read(cursor)
    items.push(...page.items)
    cursor = page.cursor
    if (cursor !== null) {
      assert.ok(!seen.has(cursor), `paging never ends: the cursor ${cursor} came twice`)
      seen.add(cursor)
    }
  } while (cursor !== null)
  return items
}

/** Reads all jobs, tombstones included, in the order of their ids. */
export async function readJobs(storage: Storage): Promise<readonly JobRecord[]> {
  return await readPages((cursor) => storage.listJobs({ limit: pageSize, cursor, deleted: true }))
}

/** Reads all jobs with a next instant, in the order of these instants; `null` if the storage cannot query due jobs. */
export async function readDue(storage: Storage): Promise<readonly JobRecord[] | null> {
  if (storage.capabilities.findsDueJobs !== true) return null
  const due = { upTo: Number.MAX_SAFE_INTEGER }
  return await readPages((cursor) => storage.listJobs({ due, limit: pageSize, cursor }))
}

/** Reads all occurrences of a job, in the order of their scheduled times. */
export async function readHistory(storage: Storage, jobId: JobId): Promise<readonly OccurrenceRecord[]> {
  return await readPages((cursor) =>
    storage.listOccurrences({ kind: 'job', jobId, order: 'ascending', runs: true, limit: pageSize, cursor }),
  )
}

/** Reads the live occurrences that are in the given state, of all jobs. */
export async function readLive(
  storage: Storage,
  state: 'pending' | 'queued' | 'running',
): Promise<readonly OccurrenceRecord[]> {
  return await readPages((cursor) =>
    storage.listOccurrences({ kind: 'live', state, runs: true, limit: pageSize, cursor }),
  )
}

/** Reads all failed occurrences, newest first. */
export async function readFailures(storage: Storage): Promise<readonly OccurrenceRecord[]> {
  return await readPages((cursor) =>
    storage.listOccurrences({ kind: 'failed', order: 'descending', runs: true, limit: pageSize, cursor }),
  )
}

/** Reads the storage's counts of live occurrences: the counts for each given job, and the counts for all jobs together. */
export async function readCounts(
  storage: Storage,
  jobs: readonly JobId[],
): Promise<{ readonly ofJobs: readonly LiveCounts[]; readonly ofAll: LiveCounts | undefined }> {
  const { counts = [] } = await storage.get({ counts: ['all', ...jobs] })
  const [ofAll, ...ofJobs] = counts
  return { ofJobs, ofAll }
}
