import type { JobId } from '@jobistemer/core'
import { cursorError, type DueJobs, type JobQuery, type JobRecord, type Page, pageOf } from '@jobistemer/core/storage'
import type { DuePlace, JobTable } from './job-table.ts'

export function listJobs(jobs: JobTable, query: JobQuery): Page<JobRecord> {
  const { limit, cursor } = query
  const found = jobs.list({ ...query, limit: limit + 1 }, cursor === null ? null : readId(cursor))
  return pageOf(found, limit, ({ id }) => id)
}

export function listDueJobs(jobs: JobTable, { limit, cursor }: JobQuery, due: DueJobs): Page<JobRecord> {
  const place = cursor === null ? { at: due.after ?? Number.NEGATIVE_INFINITY, id: null } : readPlace(cursor)
  return pageOf(jobs.listDue(due, place, limit + 1), limit, ({ nextAt, id }) => `${nextAt} ${id}`)
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
