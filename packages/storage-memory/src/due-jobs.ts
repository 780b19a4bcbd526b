import type { JobId } from '@jobistemer/core'
import type { MemoryJob } from './memory-job.ts'
import { compareText } from './occurrence-entry.ts'
import { SortedList } from './sorted-list.ts'

/** A job's position in the order of next instants. */
interface DueEntry {
  readonly at: number
  readonly id: JobId
  readonly job: MemoryJob
}

/**
 * Jobs in the order of their next instants. Each created slot changes the next instant of its job. This change must
 * cost almost nothing. So the index only notes changed jobs, and sorts them in at the next read.
 */
export class DueJobs {
  readonly #places = new SortedList<DueEntry>((left, right) => left.at - right.at || compareText(left.id, right.id))
  readonly #placed = new Map<MemoryJob, DueEntry>()
  readonly #changed = new Set<MemoryJob>()

  /** Notes that a job is new, or that its next instant or its deletion may have changed. */
  changed(job: MemoryJob): void {
    this.#changed.add(job)
  }

  removed(job: MemoryJob): void {
    this.#changed.delete(job)
    this.#take(job)
  }

  /**
   * Yields the jobs whose next instant is `at` and whose id is not lower than `id`, and then the jobs with later next
   * instants, in order.
   */
  *from(at: number, id: string): Generator<MemoryJob, void, undefined> {
    this.#putInPlace()
    for (const { job } of this.#places.ascending({ at, id } as DueEntry)) yield job
  }

  #putInPlace(): void {
    for (const job of this.#changed) {
      const { nextAt, deletedAt } = job.head
      this.#take(job)
      if (nextAt === null || deletedAt !== null) continue
      const entry = { at: nextAt, id: job.id, job }
      this.#placed.set(job, entry)
      this.#places.add(entry)
    }
    this.#changed.clear()
  }

  #take(job: MemoryJob): void {
    const entry = this.#placed.get(job)
    if (entry === undefined) return
    this.#places.delete(entry)
    this.#placed.delete(job)
  }
}
