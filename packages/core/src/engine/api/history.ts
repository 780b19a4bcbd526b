import { orDefault, readBoolean, readInteger, readObject } from '../../configuration/read-value.ts'
import { toDurationMs } from '../../duration.ts'
import { type JobId, jobId } from '../../ids.ts'
import { readJobName } from '../../job/read-jobs.ts'
import type { PruneOptions } from '../../job-operations.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { finalStates } from '../../storage/occurrence-record.ts'
import { isPrunable } from '../../storage/rules.ts'
import type { LiveCounts } from '../../storage/storage.ts'
import { mostItems, recordsPerCall } from '../../tuning.ts'
import { callOptionNames } from '../storage-access/caller-context.ts'
import { eachItem, type StorageCalls } from '../storage-access/retrying-storage.ts'

/** Returns the numbers of pending, queued and running occurrences of one job, or of all jobs. */
export async function liveCounts(storage: StorageCalls, target: JobId | 'all' = 'all'): Promise<LiveCounts> {
  const { counts } = await storage.once((calls) => calls.get({ counts: [target] }))
  return counts[0] as LiveCounts
}

/**
 * Removes old history. Returns the number of removed occurrences; with `dryRun`, the number that a call without `dryRun`
 * would remove.
 */
export async function prune(options: PruneOptions, storage: StorageCalls, now: number): Promise<number> {
  readObject(options, 'options', ['job', 'olderThan', 'keep', 'dryRun', ...callOptionNames])
  const before = now - toDurationMs(options.olderThan, 'olderThan')
  const keep = readInteger(orDefault(options.keep, 0), 'keep', 0, Number.MAX_SAFE_INTEGER)
  const target = options.job === undefined ? null : jobId(readJobName(options.job, 'job'))
  if (readBoolean(orDefault(options.dryRun, false), 'dryRun')) return countPrunable(storage, target, before, keep)
  let removed = 0
  for (let more = true; more; ) {
    const answer = await storage.once((calls) => calls.prune({ now, jobId: target, before, keep, limit: mostItems }))
    removed += answer.removed
    more = answer.more
  }
  return removed
}

/** Returns the number of occurrences that `prune` of the storage would remove. */
async function countPrunable(storage: StorageCalls, target: JobId | null, before: number, keep: number) {
  if (target !== null) {
    const { jobs } = await storage.once((calls) => calls.get({ jobs: [target] }))
    return jobs[0] == null ? 0 : countOfJob(storage, jobs[0], before, keep)
  }
  let count = 0
  const jobs = eachItem((cursor) =>
    storage.once((calls) => calls.listJobs({ deleted: true, limit: recordsPerCall, cursor })),
  )
  for await (const job of jobs) count += await countOfJob(storage, job, before, keep)
  return count
}

async function countOfJob(storage: StorageCalls, { id, nextAt }: JobRecord, before: number, keep: number) {
  // With `keep`, newer occurrences count among the kept ones, so the query must include them.
  const bound = keep === 0 ? { to: nextAt === null ? before : Math.min(before, nextAt) } : {}
  const query = { kind: 'job', jobId: id, states: finalStates, order: 'descending', runs: false, ...bound } as const
  // Counts from the newest occurrence backwards, because `prune` keeps the latest `keep` occurrences.
  let kept = 0
  let count = 0
  const records = eachItem((cursor) =>
    storage.once((calls) => calls.listOccurrences({ ...query, limit: recordsPerCall, cursor })),
  )
  for await (const record of records) {
    if (kept < keep) kept++
    else if (isPrunable(record, before, nextAt)) count++
  }
  return count
}
