import type { Job } from '../../job/define-job.ts'
import { Signal } from '../runtime/signal.ts'
import type { RegisteredJob } from './registered-job.ts'
import { recordsPerCall } from '../../tuning.ts'

/** Returns whether a job is data: the storage has its whole definition, and its tasks name handlers. */
export function isData({ tasks, onStart, onComplete }: Job): boolean {
  return onStart === undefined && onComplete === undefined && tasks.every(({ handler }) => handler !== undefined)
}

/**
 * The held jobs that this node may evict, because the storage has their whole definitions; the least recently used first.
 * This node reads an evicted job again when the job comes due. See decision 13.
 */
export class JobCache {
  /** Sent once, when the number of evictable jobs first exceeds the limit. */
  readonly overflowed: Signal = new Signal()
  readonly #most: number
  readonly #jobs = new Set<RegisteredJob>()
  /** Whether this node evicts jobs. If so, the storage may have jobs that this node can run and does not hold. */
  isEvicting: boolean

  constructor(most: number, { isEvicting = false }: { readonly isEvicting?: boolean } = {}) {
    this.#most = most
    this.isEvicting = isEvicting
  }

  /**
   * Whether this node may hold one more due job. Evictions reduce the held jobs to `#most`. Due jobs may exceed `#most`, up to
   * a higher limit.
   */
  get hasRoom(): boolean {
    return this.#jobs.size < this.#most + Math.max(2 * recordsPerCall, 4 * this.#most)
  }

  /** Marks a job as the most recently used, if this node may evict it. */
  use(job: RegisteredJob): void {
    this.#jobs.delete(job)
    if (job.origin === 'jobs' || !isData(job.job)) return
    this.#jobs.add(job)
    if (this.isEvicting || this.#jobs.size <= this.#most) return
    this.isEvicting = true
    this.overflowed.send()
  }

  remove(job: RegisteredJob): void {
    this.#jobs.delete(job)
  }

  /**
   * Yields the jobs to evict, least recently used first, until the number of held jobs meets the limit. Yields no job with a
   * slot up to `upTo`, and no job with a slot that this node is creating or recovering.
   */
  *unneeded(upTo: number): Generator<RegisteredJob> {
    if (!this.isEvicting) return
    for (const job of this.#jobs) {
      if (this.#jobs.size <= this.#most) return
      if (job.inFlight === 'no' && isIdle(job, upTo)) yield job
    }
  }
}

/**
 * Returns whether the job has no slot up to `upTo` and this node is processing none of its slots.
 *
 * A job without a timer (`heapIndex` below 0) is idle if it has no next slot, or if this node lacks its handlers. In any other
 * case, the job has no timer because this node is processing its slot.
 */
function isIdle({ heapIndex, at, plan }: RegisteredJob, upTo: number): boolean {
  return heapIndex < 0 ? at === Number.POSITIVE_INFINITY || plan === null : at > upTo
}
