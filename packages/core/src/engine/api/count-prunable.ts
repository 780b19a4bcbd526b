import type { JobId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { finalStates, type OccurrenceRecord } from '../../storage/occurrence-record.ts'
import { isPrunable } from '../../storage/rules.ts'
import type { Page } from '../../storage/storage.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { pageSize } from './tuning.ts'

interface Pruning {
  /** `null`: all jobs. */
  readonly target: JobId | null
  readonly before: number
  readonly keep: number
}

/** Returns how many occurrences the storage's `prune` would remove. */
export async function countPrunable({ target, ...pruning }: Pruning, storage: StorageCalls): Promise<number> {
  let count = 0
  if (target !== null) {
    const { jobs } = await storage.once((calls) => calls.get({ jobs: [target] }))
    for (const job of jobs) if (job !== null) count += await countOfJob(job, pruning, storage)
    return count
  }
  let cursor: string | null = null
  do {
    const from: string | null = cursor
    const page: Page<JobRecord> = await storage.once((calls) =>
      calls.listJobs({ deleted: true, limit: pageSize, cursor: from }),
    )
    for (const job of page.items) count += await countOfJob(job, pruning, storage)
    cursor = page.cursor
  } while (cursor !== null)
  return count
}

async function countOfJob(
  { id: jobId, nextAt }: JobRecord,
  { before, keep }: Omit<Pruning, 'target'>,
  storage: StorageCalls,
): Promise<number> {
  // Reads the newest first, because `prune` keeps the latest `keep` occurrences.
  let kept = 0
  let count = 0
  let cursor: string | null = null
  do {
    const from: string | null = cursor
    const page: Page<OccurrenceRecord> = await storage.once((calls) =>
      calls.listOccurrences({
        kind: 'job',
        jobId,
        states: finalStates,
        order: 'descending',
        runs: false,
        limit: pageSize,
        cursor: from,
        // Occurrences after `before` matter only if the latest ones are kept.
        ...(keep === 0 && { to: nextAt === null ? before : Math.min(before, nextAt) }),
      }),
    )
    for (const record of page.items) {
      if (kept < keep) kept++
      else if (isPrunable(record, before, nextAt)) count++
    }
    cursor = page.cursor
  } while (cursor !== null)
  return count
}
