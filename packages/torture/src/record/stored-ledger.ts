import type { OccurrenceId } from '@jobistemer/core'
import type { JobRecord, OccurrenceRecord, Page, Storage } from '@jobistemer/core/storage'

/** The final job and occurrence records of a run. */
export interface StoredLedger {
  readonly jobs: readonly JobRecord[]
  readonly occurrences: ReadonlyMap<OccurrenceId, OccurrenceRecord>
}

const pageSize = 500

/** Reads all records through the storage's queries. No process may write during this call. */
export async function readStoredLedger(storage: Storage): Promise<StoredLedger> {
  const jobs = await readPages((cursor) => storage.listJobs({ limit: pageSize, cursor, deleted: true }))
  const occurrences = new Map<OccurrenceId, OccurrenceRecord>()
  for (const { id: jobId } of jobs) {
    const history = await readPages((cursor) =>
      storage.listOccurrences({ kind: 'job', jobId, order: 'ascending', runs: true, limit: pageSize, cursor }),
    )
    for (const record of history) occurrences.set(record.id, record)
  }
  return { jobs, occurrences }
}

/** Returns the pending, queued and running occurrences. */
export async function readLive(storage: Storage): Promise<readonly OccurrenceRecord[]> {
  const live: OccurrenceRecord[] = []
  for (const state of ['pending', 'queued', 'running'] as const) {
    live.push(
      ...(await readPages((cursor) =>
        storage.listOccurrences({ kind: 'live', state, runs: false, limit: pageSize, cursor }),
      )),
    )
  }
  return live
}

async function readPages<T>(read: (cursor: string | null) => Promise<Page<T>>): Promise<readonly T[]> {
  const items: T[] = []
  let cursor: string | null = null
  do {
    const page: Page<T> = await read(cursor)
    items.push(...page.items)
    cursor = page.cursor
  } while (cursor !== null)
  return items
}
