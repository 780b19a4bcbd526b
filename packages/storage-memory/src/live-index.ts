import { isDelayed, type LiveCounts } from '@jobistemer/core/storage'
import type { MemoryJob } from './memory-job.ts'
import { byDeadline, byDue, bySchedule, type OccurrenceEntry } from './occurrence-entry.ts'
import { SortedList } from './sorted-list.ts'

/**
 * The live occurrences of all jobs, by what is asked of them. Finished ones are not in here, so that no operation's
 * cost grows with the history.
 */
export class LiveIndex {
  readonly pending: SortedList<OccurrenceEntry> = new SortedList(bySchedule)
  readonly queued: SortedList<OccurrenceEntry> = new SortedList(bySchedule)
  readonly running: SortedList<OccurrenceEntry> = new SortedList(byDeadline)
  /** Jobs with queued occurrences. */
  readonly waitingJobs: Set<MemoryJob> = new Set()
  /** Running occurrences whose cancellation was asked for. */
  readonly cancelRequested: Set<OccurrenceEntry> = new Set()

  // The pending ones of jobs that are not paused, parted by the instant that the last claim looked at.
  readonly #ready: SortedList<OccurrenceEntry> = new SortedList(bySchedule)
  readonly #future: SortedList<OccurrenceEntry> = new SortedList(byDue)
  #horizon = Number.NEGATIVE_INFINITY
  /** No ready one is due later. */
  #latestReady = Number.NEGATIVE_INFINITY

  /** Enters an entry by the state of its record, unless that is final. */
  enter(entry: OccurrenceEntry): void {
    const { occurrences, head } = entry.job
    switch (entry.record.state) {
      case 'pending':
        occurrences?.live.pending.add(entry)
        if (occurrences !== null && isDelayed(entry.record)) occurrences.delayed++
        this.pending.add(entry)
        if (head.paused === null) this.#offer(entry)
        return
      case 'queued':
        occurrences?.live.queued.add(entry)
        this.queued.add(entry)
        this.waitingJobs.add(entry.job)
        return
      case 'running':
        occurrences?.live.running.add(entry)
        this.running.add(entry)
        if (entry.record.cancelRequest !== null) this.cancelRequested.add(entry)
    }
  }

  /** Takes an entry out again, before its record is replaced. */
  leave(entry: OccurrenceEntry): void {
    const { occurrences, head } = entry.job
    switch (entry.record.state) {
      case 'pending':
        occurrences?.live.pending.delete(entry)
        if (occurrences !== null && isDelayed(entry.record)) occurrences.delayed--
        this.pending.delete(entry)
        if (head.paused === null) this.#withdraw(entry)
        return
      case 'queued':
        occurrences?.live.queued.delete(entry)
        this.queued.delete(entry)
        if (occurrences?.queued === 0) this.waitingJobs.delete(entry.job)
        return
      case 'running':
        occurrences?.live.running.delete(entry)
        this.running.delete(entry)
        if (entry.record.cancelRequest !== null) this.cancelRequested.delete(entry)
    }
  }

  /** To be called before the job's head is replaced by a paused one. */
  park(job: MemoryJob): void {
    for (const entry of job.occurrences?.live.pending.ascending() ?? []) this.#withdraw(entry)
  }

  /** To be called for a job that was parked. */
  unpark(job: MemoryJob): void {
    for (const entry of job.occurrences?.live.pending.ascending() ?? []) this.#offer(entry)
  }

  /** Pending ones of jobs that are not paused and due at `now`, by their time. */
  readyAt(now: number): SortedList<OccurrenceEntry> {
    this.#moveHorizon(now)
    return this.#ready
  }

  /** Pending ones of jobs that are not paused and due after `now`, soonest first. */
  futureAfter(now: number): SortedList<OccurrenceEntry> {
    this.#moveHorizon(now)
    return this.#future
  }

  /** How many there are of all jobs. */
  get counts(): LiveCounts {
    return { pending: this.pending.size, queued: this.queued.size, running: this.running.size }
  }

  #offer(entry: OccurrenceEntry): void {
    const { dueAt } = entry.record
    if (dueAt > this.#horizon) {
      this.#future.add(entry)
      return
    }
    this.#ready.add(entry)
    if (dueAt > this.#latestReady) this.#latestReady = dueAt
  }

  #withdraw(entry: OccurrenceEntry): void {
    if (entry.record.dueAt > this.#horizon) this.#future.delete(entry)
    else this.#ready.delete(entry)
  }

  #moveHorizon(now: number): void {
    const moved: OccurrenceEntry[] = []
    if (now >= this.#horizon) {
      for (const entry of this.#future.ascending()) {
        if (entry.record.dueAt > now) break
        moved.push(entry)
      }
    } else if (this.#latestReady > now) {
      // The clocks of two nodes differ: what was due for the other is not due for this one.
      for (const entry of this.#ready.ascending()) if (entry.record.dueAt > now) moved.push(entry)
      this.#latestReady = now
    }
    for (const entry of moved) this.#withdraw(entry)
    this.#horizon = now
    for (const entry of moved) this.#offer(entry)
  }
}
