import type { JobId } from '@jobistemer/core'
import { cursorError, type DueJobs, type JobQuery, type JobRecord, type Page, pageOf } from '@jobistemer/core/storage'
import type { DuePlace, JobTable } from './job-table.ts'

export function listJobs(jobs: JobTable, query: JobQuery): Page<JobRecord> {
  const { limit, cursor, changedSince, owner, deleted = false } = query
  const after = cursor === null ? null : readId(cursor)
  const found = jobs.list({ after, limit: limit + 1, changedSince, owner, deleted })
  return pageOf(found, limit, ({ id }) => id)
}

export function listDueJobs(
  jobs: JobTable,
  { limit, cursor }: JobQuery,
  { after, upTo, shards }: DueJobs,
): Page<JobRecord> {
  const place = cursor === null ? { at: after ?? Number.NEGATIVE_INFINITY, id: null } : readPlace(cursor)
  const found = jobs.listDue({ after: place, upTo, shards, limit: limit + 1 })
  return pageOf(found, limit, ({ nextAt, id }) => `${nextAt} ${id}`)
}

function readId(cursor: string): JobId {
  if (!/^job_[0-9a-f-]{36}$/.test(cursor)) throw cursorError(cursor)
  return cursor as JobId
}

function readPlace(cursor: string): DuePlace {
  const match = /^(-?\d+) (job_[0-9a-f-]{36})$/.exec(cursor)
  if (match === null) throw cursorError(cursor)
  return { at: Number(match[1]), id: match[2] as JobId }
}
