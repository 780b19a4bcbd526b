import type { JobCounts, LiveState } from '@jobistemer/core/storage'
import { byEnd, byOrder, bySchedule, type OccurrenceEntry } from './occurrence-entry.ts'
import { SortedList } from './sorted-list.ts'

/** The occurrences of one job, and how many of them live. */
export class JobOccurrences implements JobCounts {
  /** Number of pending occurrences that are delayed. */
  delayed = 0
  /** All of them, live ones too. */
  readonly history: SortedList<OccurrenceEntry> = new SortedList(bySchedule)
  readonly live: { readonly [State in LiveState]: SortedList<OccurrenceEntry> } = {
    pending: new SortedList(byOrder),
    queued: new SortedList(byOrder),
    running: new SortedList(bySchedule),
  }
  /** `null` until the first: most jobs have none. */
  failed: SortedList<OccurrenceEntry> | null = null

  /** Failed occurrences, by their ends. */
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
