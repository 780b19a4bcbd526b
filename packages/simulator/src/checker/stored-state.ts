import type { OccurrenceId } from '@jobistemer/core'
import type { JobRecord, OccurrenceRecord, Storage } from '@jobistemer/core/storage'

/** The contents of the storage at one moment. */
export interface StoredState {
  /** The instant at which the contents were read. */
  readonly now: number
  readonly jobs: readonly JobRecord[]
  readonly occurrences: readonly OccurrenceRecord[]
  readonly ids: ReadonlySet<OccurrenceId>
}

/** Reads all jobs and occurrences. */
export async function readStoredState(storage: Storage, now: number): Promise<StoredState> {
  const jobs: JobRecord[] = []
  let jobCursor: string | null = null
  do {
    const page: Awaited<ReturnType<Storage['listJobs']>> = await storage.listJobs({
      limit: 1000,
      cursor: jobCursor,
      deleted: true,
    })
    jobs.push(...page.items)
    jobCursor = page.cursor
  } while (jobCursor !== null)
  const occurrences: OccurrenceRecord[] = []
  for (const { id: jobId } of jobs) {
    let cursor: string | null = null
    do {
      const page: Awaited<ReturnType<Storage['listOccurrences']>> = await storage.listOccurrences({
        kind: 'job',
        jobId,
        order: 'ascending',
        runs: true,
        limit: 1000,
        cursor,
      })
      occurrences.push(...page.items)
      cursor = page.cursor
    } while (cursor !== null)
  }
  return { now, jobs, occurrences, ids: new Set(occurrences.map(({ id }) => id)) }
}
