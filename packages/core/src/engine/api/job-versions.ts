import { orDefault, readInteger, readObject } from '../../configuration/read-value.ts'
import { jobId } from '../../ids.ts'
import { type ChangedPart, changedPartsBetween } from '../../job/changed-parts.ts'
import { labelsOf, readJobDocument, settingsOf } from '../../job/job-document.ts'
import { readJobName } from '../../job/read-jobs.ts'
import { isNoSchedule } from '../../schedule/no-schedule.ts'
import type { JobRecord, JobVersionRecord } from '../../storage/job-record.ts'
import { jobNotFound } from '../definitions/job-not-found.ts'
import { type CallOptions, callOptionNames } from '../storage-access/caller-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { type JobInfo, taskInfosOf } from './job-catalog.ts'
import { fewestPerRead } from './tuning.ts'

/** Which versions of a job to read. */
export interface VersionsOptions extends CallOptions {
  /** At most so many, the newest, 1 to 1,000. Default 20. */
  readonly limit?: number
}

/** What a job was in one of its versions. */
export interface JobVersion extends Pick<JobInfo, 'tags' | 'description' | 'schedule' | 'settings' | 'tasks'> {
  /** 1, 2, 3 … */
  readonly version: number
  /** When it came into force. */
  readonly createdAt: Date
  /** Equal definitions have equal ones. */
  readonly fingerprint: string
  /**
   * What differs from the version before it. Empty if the storage no longer has that version, and if this version only
   * replaces an equal one.
   */
  readonly changes: readonly ChangedPart[]
  /** The `reason` that `update` was given; `null` without one. */
  readonly reason: string | null
  /** The `actor` that `update` was given; `null` without one. */
  readonly actor: string | null
}

/** @throws JobistemerError `JOB_NOT_FOUND` */
export async function versionsOf(
  name: string,
  options: VersionsOptions,
  storage: StorageCalls,
): Promise<readonly JobVersion[]> {
  const id = jobId(readJobName(name))
  readObject(options, 'options', ['limit', ...callOptionNames])
  const limit = readInteger(orDefault(options.limit, 20), 'limit', 1, 1000)
  const { jobs } = await storage.once((calls) => calls.get({ jobs: [id] }))
  const head = jobs[0] ?? null
  if (head === null || head.deletedAt !== null) throw jobNotFound(name)
  // One more tells what has changed with the last.
  const records = await newestOf(head, limit + 1, storage)
  return records.slice(0, limit).map((record, index) => {
    const before = records[index + 1]
    return versionOf(record, before?.version === record.version - 1 ? before : null)
  })
}

async function newestOf(head: JobRecord, count: number, storage: StorageCalls): Promise<readonly JobVersionRecord[]> {
  const found: JobVersionRecord[] = []
  for (let next = head.version; next > 0 && found.length < count; next -= fewestPerRead) {
    const length = Math.min(fewestPerRead, next)
    const wanted = Array.from({ length }, (_, index) => ({ jobId: head.id, version: next - index }))
    const { versions } = await storage.once((calls) => calls.get({ versions: wanted }))
    const kept = versions.filter((record) => record !== null)
    // What is older than a hundred that are gone is gone, too, or hardly worth the search.
    if (kept.length === 0) break
    found.push(...kept)
  }
  return found.slice(0, count)
}

function versionOf({ version, createdAt, fingerprint, definition }: JobVersionRecord, before: JobVersionRecord | null) {
  const document = readJobDocument(definition)
  const { schedule, reason = null, actor = null } = document
  return {
    version,
    createdAt: new Date(createdAt),
    fingerprint,
    ...labelsOf(document),
    schedule: schedule === undefined || isNoSchedule(schedule) ? null : schedule,
    settings: settingsOf(document),
    tasks: taskInfosOf(document),
    changes: before === null ? [] : changedPartsBetween(readJobDocument(before.definition), document),
    reason,
    actor,
  }
}
