import { livingHead } from './job-lookup.ts'
import { orDefault, readInteger, readObject } from '../../configuration/read-value.ts'
import { jobId } from '../../ids.ts'
import { type ChangedPart, changedPartsBetween } from '../../job/changed-parts.ts'
import { labelsOf, readJobDocument, settingsOf } from '../../job/job-document.ts'
import { readJobName } from '../../job/read-jobs.ts'
import { isNoSchedule } from '../../schedule/no-schedule.ts'
import type { JobRecord, JobVersionRecord } from '../../storage/job-record.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import { type CallOptions, callOptionNames } from '../storage-access/caller-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { type JobInfo, taskInfosOf } from './job-catalog.ts'
import { fewestPerRead } from '../../tuning.ts'

/** Selects versions of a job. */
export interface VersionsOptions extends CallOptions {
  /** Maximum number of versions, newest first, 1 to 1,000. Default 20. */
  readonly limit?: number
}

/** A version of a job. */
export interface JobVersion extends Pick<JobInfo, 'tags' | 'description' | 'schedule' | 'settings' | 'tasks'> {
  /** The number of the version, counted from 1. */
  readonly version: number
  /** The instant at which the version came into force. */
  readonly createdAt: Date
  /** The digest of the version's definition. Equal definitions have equal fingerprints. */
  readonly fingerprint: string
  /**
   * The differences from the previous version. Empty if the storage no longer has the previous version, or if both versions
   * are equal.
   */
  readonly changes: readonly ChangedPart[]
  /** The `reason` option of the `update` that stored the version; `null` without a reason. */
  readonly reason: string | null
  /** The `actor` option of the `update` that stored the version; `null` without an actor. */
  readonly actor: string | null
}

/** Returns the newest versions of a job. @throws JobistemerError `JOB_NOT_FOUND` */
export async function versionsOf(
  name: string,
  options: VersionsOptions,
  storage: StorageCalls,
): Promise<readonly JobVersion[]> {
  const id = jobId(readJobName(name))
  readObject(options, 'options', ['limit', ...callOptionNames])
  const limit = readInteger(orDefault(options.limit, 20), 'limit', 1, 1000)
  const head = await livingHead(storage, id)
  if (head === null) throw jobNotFound(name)
  // Reads one version more, so that the oldest version in the list can be compared with its predecessor.
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
    // If the storage has removed all versions of a page, older versions are probably removed too.
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
