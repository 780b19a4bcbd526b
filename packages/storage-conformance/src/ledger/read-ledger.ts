import assert from 'node:assert/strict'
import type { JobId } from '@jobistemer/core'
import type { JobRecord, LiveCounts, OccurrenceRecord, Page, Storage } from '@jobistemer/core/storage'

const pageSize = 500

/** Reads pages to the end. A storage whose cursor leads nowhere new is refused. */
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

/** Every job, tombstones included, in the order of their ids. */
export async function readJobs(storage: Storage): Promise<readonly JobRecord[]> {
  return await readPages((cursor) => storage.listJobs({ limit: pageSize, cursor, deleted: true }))
}

/** Every job that has a next instant, in their order; `null` where the storage does not find them. */
export async function readDue(storage: Storage): Promise<readonly JobRecord[] | null> {
  if (storage.capabilities.findsDueJobs !== true) return null
  const due = { upTo: Number.MAX_SAFE_INTEGER }
  return await readPages((cursor) => storage.listJobs({ due, limit: pageSize, cursor }))
}

/** Every occurrence of a job, in the order of their time. */
export async function readHistory(storage: Storage, jobId: JobId): Promise<readonly OccurrenceRecord[]> {
  return await readPages((cursor) =>
    storage.listOccurrences({ kind: 'job', jobId, order: 'ascending', runs: true, limit: pageSize, cursor }),
  )
}

/** Every live occurrence in this state, of all jobs. */
export async function readLive(
  storage: Storage,
  state: 'pending' | 'queued' | 'running',
): Promise<readonly OccurrenceRecord[]> {
  return await readPages((cursor) =>
    storage.listOccurrences({ kind: 'live', state, runs: true, limit: pageSize, cursor }),
  )
}

/** Every failure, newest first. */
export async function readFailures(storage: Storage): Promise<readonly OccurrenceRecord[]> {
  return await readPages((cursor) =>
    storage.listOccurrences({ kind: 'failed', order: 'descending', runs: true, limit: pageSize, cursor }),
  )
}

/** The sums that the storage keeps of what lives: of these jobs in their order, and of all. */
export async function readCounts(
  storage: Storage,
  jobs: readonly JobId[],
): Promise<{ readonly ofJobs: readonly LiveCounts[]; readonly ofAll: LiveCounts | undefined }> {
  const { counts = [] } = await storage.get({ counts: ['all', ...jobs] })
  const [ofAll, ...ofJobs] = counts
  return { ofJobs, ofAll }
}
