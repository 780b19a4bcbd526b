import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { JobRecord, JobVersionRecord, OccurrenceRecord } from '@jobistemer/core/storage'
import { SortedList } from './sorted-list.ts'

/** A version of a job, with the number of stored occurrences that refer to it. */
export interface VersionEntry {
  readonly record: JobVersionRecord
  references: number
}

export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** A job: its head, and what hangs on it. */
export interface JobEntry {
  readonly id: JobId
  /** Belongs to the database alone: callers get copies. Only {@link advance} changes it in place. */
  head: Mutable<JobRecord>
  /** Counts changes: a cheap order among jobs that changed at the same instant. */
  changeOrdinal: number
  /** Ascending; the last is the version in force. */
  versions: readonly VersionEntry[]
  /** `null` until the first occurrence: an idle job costs no lists. */
  occurrences: JobOccurrences | null
}

/** The occurrences of one job. */
export interface JobOccurrences {
  /** All of them, live ones too. */
  readonly history: SortedList<OccurrenceEntry>
  readonly pending: SortedList<OccurrenceEntry>
  readonly queued: SortedList<OccurrenceEntry>
  readonly running: SortedList<OccurrenceEntry>
}

/** An occurrence: its record, which is replaced and never changed in place, and its place in the indexes. */
export interface OccurrenceEntry {
  record: OccurrenceRecord
  readonly job: JobEntry
  readonly id: OccurrenceId
  readonly scheduledAt: number
  /** Counts the entries of a database: a cheap order among entries that are otherwise equal. */
  readonly ordinal: number
}

export function newJobOccurrences(): JobOccurrences {
  return {
    history: new SortedList(bySchedule),
    pending: new SortedList(bySchedule),
    queued: new SortedList(bySchedule),
    running: new SortedList(bySchedule),
  }
}

export function bySchedule(left: OccurrenceEntry, right: OccurrenceEntry): number {
  return left.scheduledAt - right.scheduledAt || compareText(left.id, right.id)
}

export function byDue(left: OccurrenceEntry, right: OccurrenceEntry): number {
  return left.record.dueAt - right.record.dueAt || left.ordinal - right.ordinal
}

/** For running ones, which always have a deadline. */
export function byDeadline(left: OccurrenceEntry, right: OccurrenceEntry): number {
  return (left.record.deadlineAt as number) - (right.record.deadlineAt as number) || left.ordinal - right.ordinal
}

export function byId(left: JobEntry, right: JobEntry): number {
  return compareText(left.id, right.id)
}

export function byChange(left: JobEntry, right: JobEntry): number {
  return left.head.changedAt - right.head.changedAt || left.changeOrdinal - right.changeOrdinal
}

/** The stored version with this number. */
export function versionOf(job: JobEntry, version: number): VersionEntry | undefined {
  const last = job.versions.at(-1)
  return last?.record.version === version ? last : job.versions.find(({ record }) => record.version === version)
}

export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

/** Moves the job past the slots up to `watermark`; in place, since every slot that is created comes through here. */
export function advance({ head }: JobEntry, watermark: number, nextAt: number | null): void {
  if (watermark > head.watermark) head.watermark = watermark
  head.nextAt = nextAt
}

/** How many occurrences of the job are pending or running. */
export function activeOf(job: JobEntry): number {
  const { occurrences } = job
  return occurrences === null ? 0 : occurrences.pending.size + occurrences.running.size
}
