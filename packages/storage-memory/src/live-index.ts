import { claimableFrom, isDelayed, type LiveCounts, type LiveState } from '@jobistemer/core/storage'
import type { MemoryJob } from './memory-job.ts'
import { byOrder, type OccurrenceEntry } from './occurrences.ts'
import { SortedList } from './sorted-list.ts'

/** The live occurrences of all jobs. Finished occurrences are not in this index, so no cost grows with the history. */
export class LiveIndex {
  readonly #running: Set<OccurrenceEntry> = new Set()
  /** Jobs with queued occurrences. */
  readonly waitingJobs: Set<MemoryJob> = new Set()
  /** Running occurrences with a cancel request. */
  readonly cancelRequested: Set<OccurrenceEntry> = new Set()

  // Pending occurrences that the last claim was allowed to take at its instant, `#horizon`. `#future` has the pending
  // occurrences that only a later claim may take.
  readonly #ready: SortedList<OccurrenceEntry> = new SortedList(byOrder)
  readonly #future: SortedList<OccurrenceEntry> = new SortedList(byClaimable)
  #horizon = Number.NEGATIVE_INFINITY
  /**
   * From this instant on, claims may take all occurrences in `#ready`. If the instant of a claim is earlier, the claim must
   * check each occurrence in `#ready`.
   */
  #latestReady = Number.NEGATIVE_INFINITY

  /** Adds an occurrence to the lists of its state. Does nothing for a final state. */
  enter(entry: OccurrenceEntry): void {
    const { occurrences } = entry.job
    switch (entry.record.state) {
      case 'pending':
        occurrences?.live.pending.add(entry)
        if (occurrences !== null && isDelayed(entry.record)) occurrences.delayed++
        this.#offer(entry)
        return
      case 'queued':
        occurrences?.live.queued.add(entry)
        this.waitingJobs.add(entry.job)
        return
      case 'running':
        occurrences?.live.running.add(entry)
        this.#running.add(entry)
        if (entry.record.cancelRequest !== null) this.cancelRequested.add(entry)
    }
  }

  /** Removes an occurrence from the lists of its state, before its record is replaced. */
  leave(entry: OccurrenceEntry): void {
    const { occurrences } = entry.job
    switch (entry.record.state) {
      case 'pending':
        occurrences?.live.pending.delete(entry)
        if (occurrences !== null && isDelayed(entry.record)) occurrences.delayed--
        this.#withdraw(entry)
        return
      case 'queued':
        occurrences?.live.queued.delete(entry)
        if (occurrences?.queued === 0) this.waitingJobs.delete(entry.job)
        return
      case 'running':
        occurrences?.live.running.delete(entry)
        this.#running.delete(entry)
        if (entry.record.cancelRequest !== null) this.cancelRequested.delete(entry)
    }
  }

  /** Removes a job's pending occurrences from the lists for claims. The caller then changes the pause, and calls `unpark`. */
  park(job: MemoryJob): void {
    for (const entry of job.occurrences?.live.pending.ascending() ?? []) this.#withdraw(entry)
  }

  /** Adds a job's pending occurrences to the lists for claims again, after `park` and a change of the job's pause. */
  unpark(job: MemoryJob): void {
    for (const entry of job.occurrences?.live.pending.ascending() ?? []) this.#offer(entry)
  }

  /** Returns the pending occurrences that a claim at `now` may take, in the order of waiting occurrences. */
  readyAt(now: number): SortedList<OccurrenceEntry> {
    this.#moveHorizon(now)
    return this.#ready
  }

  /**
   * Returns the pending occurrences that a claim may take only after `now`, soonest first. Occurrences of jobs that are
   * paused without an end come last.
   */
  futureAfter(now: number): SortedList<OccurrenceEntry> {
    this.#moveHorizon(now)
    return this.#future
  }

  /** Returns the live occurrences that are in the given state, of all jobs, in no order. */
  inState(state: LiveState): readonly OccurrenceEntry[] {
    if (state === 'running') return [...this.#running]
    if (state === 'pending') return [...this.#ready.ascending(), ...this.#future.ascending()]
    return [...this.waitingJobs].flatMap(({ occurrences }) => [...(occurrences?.live.queued.ascending() ?? [])])
  }

  /** Numbers of live occurrences of all jobs, by state. */
  get counts(): LiveCounts {
    let queued = 0
    for (const { counts } of this.waitingJobs) queued += counts.queued
    return { pending: this.#ready.size + this.#future.size, queued, running: this.#running.size }
  }

  #offer(entry: OccurrenceEntry): void {
    const from = claimableAt(entry)
    if (from > this.#horizon) {
      this.#future.add(entry)
      return
    }
    this.#ready.add(entry)
    if (from > this.#latestReady) this.#latestReady = from
  }

  #withdraw(entry: OccurrenceEntry): void {
    if (claimableAt(entry) > this.#horizon) this.#future.delete(entry)
    else this.#ready.delete(entry)
  }

  #moveHorizon(now: number): void {
    const moved: OccurrenceEntry[] = []
    if (now >= this.#horizon) {
      for (const entry of this.#future.ascending()) {
        if (claimableAt(entry) > now) break
        moved.push(entry)
      }
    } else if (this.#latestReady > now) {
      // The clock of the claiming node is behind the clock of a node that has claimed before. So some occurrences in `#ready`
      // are not due yet by the clock of the claiming node.
      for (const entry of this.#ready.ascending()) if (claimableAt(entry) > now) moved.push(entry)
      this.#latestReady = now
    }
    for (const entry of moved) this.#withdraw(entry)
    this.#horizon = now
    for (const entry of moved) this.#offer(entry)
  }
}

/** Returns the instant from which a claim may take the occurrence; infinite during a pause without an end. */
export function claimableAt({ job, record }: OccurrenceEntry): number {
  return claimableFrom(job.head, record.dueAt)
}

function byClaimable(left: OccurrenceEntry, right: OccurrenceEntry): number {
  const [first, second] = [claimableAt(left), claimableAt(right)]
  return first === second ? left.ordinal - right.ordinal : first - second
}
