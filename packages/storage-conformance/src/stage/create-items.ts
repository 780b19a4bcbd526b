import { jobId, missedRangeId, type OccurrenceId, occurrenceId } from '@jobistemer/core'
import type {
  CreateExclusion,
  CreateRecovery,
  CreateRequested,
  CreateSlot,
  JobRecord,
  OccurrenceAddress,
  OccurrenceDetails,
  RecoveryEntry,
  ReusableKey,
  SlotSpan,
  TaskRunRecord,
} from '@jobistemer/core/storage'
import { minute, slotAt } from './instants.ts'
import { firstAttempt } from './task-runs.ts'

/** The members of a job that the items of a create call need. */
export type JobHandle = Pick<JobRecord, 'id' | 'name' | 'version'>

/** Execution timeout of the kit's occurrences, in ms. */
export const executionTimeoutMs: number = 10 * minute

export interface SlotOptions {
  /** `true`: the step that creates the occurrence also starts it. Default `false`. */
  readonly run?: boolean
  readonly runs?: readonly TaskRunRecord[]
  /** The next instant of the job after the step. Default: the following slot. */
  readonly nextAt?: number | null
  /** The job version of the item. Default: the version of the job handle. */
  readonly version?: number
  readonly details?: OccurrenceDetails
  readonly executionTimeoutMs?: number
}

export function slotAddress(job: JobHandle, index: number): OccurrenceAddress {
  return { id: occurrenceId(job.id, slotAt(index)), jobId: job.id, scheduledAt: slotAt(index) }
}

/** Returns the item that creates slot `index` of the job. */
export function slotItem(job: JobHandle, index: number, options: SlotOptions = {}): CreateSlot {
  return {
    kind: 'slot',
    ...slotAddress(job, index),
    jobVersion: options.version ?? job.version,
    nextAt: options.nextAt === undefined ? slotAt(index + 1) : options.nextAt,
    executionTimeoutMs: options.executionTimeoutMs ?? executionTimeoutMs,
    details: options.details ?? {},
    runs: options.runs ?? (options.run === true ? firstAttempt(slotAt(index)) : null),
  }
}

export interface RequestOptions extends Omit<SlotOptions, 'nextAt'> {
  readonly kind?: 'trigger' | 'replay'
  /** The instant from which the occurrence may start. Default: its scheduled time. */
  readonly dueAt?: number
  /** The id of the record if the request is skipped. Default: none. */
  readonly skippedId?: OccurrenceId
  /** The reusable key of the request. Default: none. */
  readonly key?: ReusableKey
}

/** Returns the id of a triggered occurrence. Ids of triggers never equal ids of slots. */
export function requestId(job: JobHandle, key: string, at: number): OccurrenceId {
  return occurrenceId(jobId(`${job.name}/${key}`), at)
}

/** Returns the item that triggers the job, scheduled at `at`. */
export function requestItem(job: JobHandle, key: string, at: number, options: RequestOptions = {}): CreateRequested {
  return {
    kind: options.kind ?? 'trigger',
    id: requestId(job, key, at),
    jobId: job.id,
    scheduledAt: at,
    jobVersion: options.version ?? job.version,
    dueAt: options.dueAt ?? at,
    executionTimeoutMs: options.executionTimeoutMs ?? executionTimeoutMs,
    details: options.details ?? { requestKey: key },
    runs: options.runs ?? (options.run === true ? firstAttempt(at) : null),
    ...(options.skippedId !== undefined && { skippedId: options.skippedId }),
    ...(options.key !== undefined && { key: options.key }),
  }
}

/** Returns the item that cancels slot `index` before it is due. */
export function exclusionItem(
  job: JobHandle,
  index: number,
  options: Pick<SlotOptions, 'version'> = {},
): CreateExclusion {
  return {
    kind: 'exclusion',
    ...slotAddress(job, index),
    jobVersion: options.version ?? job.version,
    reason: 'holiday',
    details: {},
  }
}

/** Returns the entry of a recovery for a missed slot that runs. */
export function runEntry(job: JobHandle, index: number, details: OccurrenceDetails = {}): RecoveryEntry {
  const { id, scheduledAt } = slotAddress(job, index)
  return { kind: 'run', id, scheduledAt, executionTimeoutMs, details }
}

/** Returns the recovery entry that stores the slots `first` to `last` as missed. */
export function missedEntry(job: JobHandle, first: number, last: number): RecoveryEntry {
  const scheduledAt = slotAt(first)
  const id = last > first ? missedRangeId(job.id, scheduledAt) : occurrenceId(job.id, scheduledAt)
  return { kind: 'missed', id, scheduledAt, reason: 'mark_as_missed', span: slotSpan(first, last) }
}

export function slotSpan(first: number, last: number): SlotSpan {
  return { from: slotAt(first), to: slotAt(last), count: last - first + 1 }
}

export interface RecoveryOptions {
  readonly expectedWatermark: number
  readonly entries: readonly RecoveryEntry[]
  /** The watermark of the job after the recovery. Default: slot `last`. */
  readonly watermark?: number
  readonly nextAt?: number | null
  readonly version?: number
}

/** Returns the item of a recovery that decides about all missed slots up to slot `last`. */
export function recoveryItem(job: JobHandle, last: number, options: RecoveryOptions): CreateRecovery {
  return {
    kind: 'recovery',
    ...slotAddress(job, last),
    jobVersion: options.version ?? job.version,
    expectedWatermark: options.expectedWatermark,
    watermark: options.watermark ?? slotAt(last),
    nextAt: options.nextAt === undefined ? slotAt(last + 1) : options.nextAt,
    entries: options.entries,
  }
}
