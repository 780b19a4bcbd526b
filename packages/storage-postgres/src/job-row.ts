import type { JobId } from '@jobistemer/core'
import {
  codec1,
  definitionOfStored,
  type JobCounts,
  type JobRecord,
  jobRecordOf,
  type JobVersionRecord,
  type LedgerHead,
  lineageOfStored,
  numbersOfStored,
  overlapRuleOf,
  parseStored,
  type PauseEnd,
  pauseOfStored,
  readStartNumbers,
  startNumbersOf,
  type StoredJob,
  timelineOfStored,
} from '@jobistemer/core/storage'
import { jobIdOf } from './ids.ts'
import { forEver } from './schema.ts'
import { numberOf, numberOrNull, type Row } from './sql.ts'
import { readText, readTextOrNull } from './stored-text.ts'

/** A job with its head, as read by a step. */
export interface ReadJob extends StoredJob {
  /** Grows with each step that writes anything about the job. */
  readonly revision: number
}

/** Returns SQL that selects heads with the definitions of their jobs, for {@link readJob}. */
export function selectJobs(schema: string): string {
  return `SELECT h.*, j.name, j.owner, j.fingerprint, j.lineage, j.timeline, j.paused, j.created_at, j.changed_at,
      v.definition
    FROM ${schema}.heads h JOIN ${schema}.jobs j ON j.id = h.id
    JOIN ${schema}.versions v ON v.job = h.id AND v.version = h.version`
}

/** Reads the head from a row with the columns of `heads`. */
export function readHead(row: Row, id: JobId): LedgerHead {
  const { startRate, ...starts } = readStartNumbers(
    row.starts == null ? null : numbersOfStored(parseStored(row.starts as string)),
  )
  return {
    id,
    version: numberOf(row.version),
    handlerKey: readText(row.handler_key),
    overlap: overlapRuleOf(
      codec1.policyOf(numberOf(row.policy)),
      numberOf(row.max_queued),
      numberOf(row.max_concurrency),
      startRate,
    ),
    watermark: numberOf(row.watermark),
    nextAt: numberOrNull(row.next_at),
    pruneFloor: numberOrNull(row.prune_floor),
    cancelsBelow: numberOrNull(row.cancels_below),
    ...starts,
    deletedAt: numberOrNull(row.deleted_at),
    paused: readPauseEnd(numberOrNull(row.paused_until)),
  }
}

/** Returns a job's start rate and last starts as JSON, or `null` if the job has no start rate. */
export function printStarts(head: Pick<JobRecord, 'overlap' | 'starts'>): string | null {
  const numbers = startNumbersOf(head)
  return numbers === null ? null : JSON.stringify(numbers)
}

export function readCounts(row: Row): JobCounts {
  return {
    pending: numberOf(row.pending),
    delayed: numberOf(row.delayed),
    queued: numberOf(row.queued),
    running: numberOf(row.running),
  }
}

const isEndless: PauseEnd = Object.freeze({})

function readPauseEnd(until: number | null): PauseEnd | null {
  if (until === null) return null
  return until === forEver ? isEndless : { until }
}

/** Reads the job from a row of {@link selectJobs}. */
export function readJob(row: Row): JobRecord {
  return jobRecordOf(readHead(row, jobIdOf(row.id)), {
    name: readText(row.name),
    owner: readTextOrNull(row.owner),
    fingerprint: readText(row.fingerprint),
    lineage: lineageOfStored(parseStored(row.lineage as string)),
    definition: definitionOfStored(parseStored(row.definition as string)),
    timeline: timelineOfStored(parseStored(row.timeline as string)),
    paused: row.paused === null ? null : pauseOfStored(parseStored(row.paused as string)),
    createdAt: numberOf(row.created_at),
    changedAt: numberOf(row.changed_at),
  })
}

/** Reads the version from a row of `versions`. */
export function readVersion(row: Row): JobVersionRecord {
  return {
    jobId: jobIdOf(row.job),
    version: numberOf(row.version),
    fingerprint: readText(row.fingerprint),
    definition: definitionOfStored(parseStored(row.definition as string)),
    createdAt: numberOf(row.created_at),
  }
}
