import type { MemoryJob } from './memory-job.ts'
import { compareText } from './occurrences.ts'
import { SortedList } from './sorted-list.ts'

/**
 * Jobs in the order of their next instants. Each created slot changes the next instant of its job. Creating a slot must
 * be fast, so it only marks the job in this list. The next read of the list moves all marked jobs to their new
 * positions.
 */
export class DueJobs {
  readonly #places = new SortedList<MemoryJob>(
    (left, right) => (left.dueAt as number) - (right.dueAt as number) || compareText(left.id, right.id),
  )
  readonly #changed = new Set<MemoryJob>()

  /**
   * Marks a job for the next read of this list. Callers mark new jobs, jobs whose next instant may have changed, and jobs that
   * may be deleted.
   */
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
    yield* this.#places.ascending({ dueAt: at, id } as MemoryJob)
  }

  #putInPlace(): void {
    for (const job of this.#changed) {
      const { nextAt, deletedAt } = job.head
      this.#take(job)
      if (nextAt === null || deletedAt !== null) continue
      job.dueAt = nextAt
      this.#places.add(job)
    }
    this.#changed.clear()
  }

  #take(job: MemoryJob): void {
    if (job.dueAt !== null) this.#places.delete(job)
    job.dueAt = null
  }
}
