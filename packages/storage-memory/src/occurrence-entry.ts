import type { OccurrenceId } from '@jobistemer/core'
import { type OccurrenceRecord, priorityStepMs } from '@jobistemer/core/storage'
import type { MemoryJob } from './memory-job.ts'

/** An occurrence: its record, which is replaced and never changed in place, and its place in the indexes. */
export interface OccurrenceEntry {
  record: OccurrenceRecord
  readonly job: MemoryJob
  readonly id: OccurrenceId
  readonly scheduledAt: number
  /** Counts the entries of a database: a cheap order among entries that are otherwise equal. */
  readonly ordinal: number
}

export function bySchedule(left: OccurrenceEntry, right: OccurrenceEntry): number {
  return left.scheduledAt - right.scheduledAt || compareText(left.id, right.id)
}

/** The order of waiting occurrences. */
export function byOrder(left: OccurrenceEntry, right: OccurrenceEntry): number {
  return orderOf(left) - orderOf(right) || compareText(left.id, right.id)
}

/** Same as `orderAt` of the record. Most records have no priority, and the entry holds their scheduled time. */
export function orderOf({ scheduledAt, record }: OccurrenceEntry): number {
  const { priority } = record.details
  return priority === undefined ? scheduledAt : scheduledAt - priority * priorityStepMs
}

/** The order of failures, which have always ended. */
export function byEnd(left: OccurrenceEntry, right: OccurrenceEntry): number {
  return (left.record.finishedAt as number) - (right.record.finishedAt as number) || compareText(left.id, right.id)
}

/** The order of running occurrences, which always have a deadline. */
export function byDeadline(left: OccurrenceEntry, right: OccurrenceEntry): number {
  return (left.record.deadlineAt as number) - (right.record.deadlineAt as number) || left.ordinal - right.ordinal
}

export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
