import type { OccurrenceId } from '@jobistemer/core'
import {
  compareAddresses,
  type JobCounts,
  type LiveState,
  type OccurrenceRecord,
  priorityStepMs,
} from '@jobistemer/core/storage'
import type { MemoryJob } from './memory-job.ts'
import { SortedList } from './sorted-list.ts'

/** An occurrence and its position in the indexes. The record is never changed in place, only replaced. */
export interface OccurrenceEntry {
  record: OccurrenceRecord
  readonly job: MemoryJob
  readonly id: OccurrenceId
  readonly scheduledAt: number
  /**
   * The position of the entry in the order of creation. If two entries become claimable at the same instant, this number
   * decides their order. Numbers are faster to compare than ids.
   */
  readonly ordinal: number
}

/** Compares waiting occurrences by their order, and then by id. */
export function byOrder(left: OccurrenceEntry, right: OccurrenceEntry): number {
  return orderOf(left) - orderOf(right) || compareText(left.id, right.id)
}

/**
 * Returns the instant `orderAt` of a record, computed from the scheduled time and the priority. Without a priority, this
 * instant equals the scheduled time.
 */
function orderOf({ scheduledAt, record }: OccurrenceEntry): number {
  const { priority } = record.details
  return priority === undefined ? scheduledAt : scheduledAt - priority * priorityStepMs
}

/** Compares failed occurrences by the time of their end. Each failed occurrence has an end. */
export function byEnd(left: OccurrenceEntry, right: OccurrenceEntry): number {
  return (left.record.finishedAt as number) - (right.record.finishedAt as number) || compareText(left.id, right.id)
}

export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

/** The occurrences of one job, and the counts of its live occurrences. */
export class JobOccurrences implements JobCounts {
  /**
   * Number of delayed occurrences: pending triggers and replays with a later due time. After its due time, such an
   * occurrence still counts as delayed, until a claim starts it or makes it queued.
   */
  delayed = 0
  /** All occurrences of the job, including live ones, by their scheduled time. */
  readonly history: SortedList<OccurrenceEntry> = new SortedList<OccurrenceEntry>(compareAddresses)
  readonly live: { readonly [State in LiveState]: SortedList<OccurrenceEntry> } = {
    pending: new SortedList(byOrder),
    queued: new SortedList(byOrder),
    running: new SortedList<OccurrenceEntry>(compareAddresses),
  }
  /** Failed occurrences; `null` until the first failure, because most jobs have none. */
  failed: SortedList<OccurrenceEntry> | null = null

  /** Failed occurrences of the job, by the time of their end. Creates the list if it does not exist yet. */
  get failures(): SortedList<OccurrenceEntry> {
    this.failed ??= new SortedList(byEnd)
    return this.failed
  }

  get pending(): number {
    return this.live.pending.size
  }

  get queued(): number {
    return this.live.queued.size
  }

  get running(): number {
    return this.live.running.size
  }
}
