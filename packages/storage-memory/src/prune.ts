import { isPrunable, lastSlotOf, type PruneAnswer, type PruneRequest } from '@jobistemer/core/storage'
import { type Database, isFinished } from './database.ts'
import type { JobEntry, OccurrenceEntry } from './entries.ts'

export function prune(database: Database, request: PruneRequest): PruneAnswer {
  let removed = 0
  for (const job of jobsOf(database, request)) {
    const victims = victimsOf(database, job, request, request.limit - removed + 1)
    const more = victims.length > request.limit - removed
    if (more) victims.pop()
    removeAll(database, job, victims)
    removed += victims.length
    if (more) return { removed, more }
    forget(database, job, request.before)
  }
  return { removed, more: false }
}

function jobsOf(database: Database, request: PruneRequest): readonly JobEntry[] {
  if (request.jobId === null) return [...database.jobsById.ascending()]
  const job = database.jobs.get(request.jobId)
  return job === undefined ? [] : [job]
}

/** The oldest occurrences of the job that may go, at most `limit`. */
function victimsOf(database: Database, job: JobEntry, request: PruneRequest, limit: number): OccurrenceEntry[] {
  const { nextAt } = job.head
  const end = Math.min(request.before, nextAt ?? request.before)
  const victims: OccurrenceEntry[] = []
  let removable = database.finalCount(job) - request.keep
  if (removable <= 0) return victims
  for (const entry of job.occurrences?.history.ascending() ?? []) {
    if (removable === 0 || victims.length === limit) break
    if (entry.scheduledAt >= end) break
    if (!isFinished(entry)) continue
    removable--
    if (isPrunable(entry.record, request.before, nextAt)) victims.push(entry)
  }
  return victims
}

function removeAll(database: Database, job: JobEntry, victims: readonly OccurrenceEntry[]): void {
  if (victims.length === 0) return
  let floor = job.head.pruneFloor ?? Number.NEGATIVE_INFINITY
  for (const { record } of victims) floor = Math.max(floor, lastSlotOf(record))
  job.head = { ...job.head, pruneFloor: floor }
  for (const entry of victims) database.removeOccurrence(entry)
}

/** Drops versions that nothing refers to, and an old tombstone that has no occurrences left. */
function forget(database: Database, job: JobEntry, before: number): void {
  const { head, occurrences } = job
  if (head.deletedAt !== null && head.deletedAt < before && (occurrences === null || occurrences.history.size === 0)) {
    database.removeJob(job)
    return
  }
  const unused = job.versions.some(({ record, references }) => references === 0 && record.version !== head.version)
  if (!unused) return
  job.versions = job.versions.filter(({ record, references }) => references > 0 || record.version === head.version)
}
