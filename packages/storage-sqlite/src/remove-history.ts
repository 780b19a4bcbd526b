import type { JobId } from '@jobistemer/core'
import type { HistoryRemoval } from '@jobistemer/core/storage'
import { keyOf } from './occurrence-key.ts'
import type { Tables } from './tables.ts'

/**
 * Removes finished occurrences of a job and raises its prune floor. Returns the number of removed occurrences; `null`
 * if the job is not stored or its next instant is not after the new floor. Must be called within a write step.
 */
export function removeHistory(tables: Tables, { jobId, occurrences, keys, floor }: HistoryRemoval): number | null {
  const { jobs, history, reusableKeys } = tables
  const head = jobs.headOf(jobId)
  if (head === undefined || (head.nextAt !== null && head.nextAt <= floor)) return null
  jobs.raisePruneFloor(head.row, floor)
  for (const { keyId, occurrence } of keys) reusableKeys.free(keyId, keyOf(occurrence.id))
  return history.remove(head.row, occurrences)
}

/**
 * Removes the job if it is an old tombstone without occurrences; otherwise removes its versions that no occurrence
 * uses. Must be called within a write step.
 */
export function forget({ jobs, live, history }: Tables, jobId: JobId, before: number): void {
  const row = jobs.headOf(jobId)?.row
  if (row === undefined) return
  history.indexTail()
  if (jobs.isTombstone(row, before) && !live.has(row) && !history.has(row)) jobs.remove(row)
  else jobs.removeUnusedVersions(row)
}
