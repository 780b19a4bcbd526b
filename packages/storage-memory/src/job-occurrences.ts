import type { JobCounts, LiveState } from '@jobistemer/core/storage'
import { byEnd, byOrder, bySchedule, type OccurrenceEntry } from './occurrence-entry.ts'
import { SortedList } from './sorted-list.ts'

/** The occurrences of one job, and the counts of its live ones. */
export class JobOccurrences implements JobCounts {
  /** Number of delayed occurrences: triggers and replays that wait for their due time, or have not been claimed since. */
  delayed = 0
  /** All occurrences of the job, including live ones, by their scheduled time. */
  readonly history: SortedList<OccurrenceEntry> = new SortedList(bySchedule)
  readonly live: { readonly [State in LiveState]: SortedList<OccurrenceEntry> } = {
    pending: new SortedList(byOrder),
    queued: new SortedList(byOrder),
    running: new SortedList(bySchedule),
  }
  /** Failed occurrences; `null` until the first failure, because most jobs have none. */
  failed: SortedList<OccurrenceEntry> | null = null

  /** Failed occurrences, by the time of their end. */
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
