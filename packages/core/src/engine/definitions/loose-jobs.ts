import type { Job } from '../../job/define-job.ts'
import { Signal } from '../runtime/signal.ts'
import type { RegisteredJob } from './registered-job.ts'
import { dueFactor, fewestDue } from './tuning.ts'

/** Returns whether a job is data: the storage has its whole definition, and its tasks name handlers. */
export function isData({ tasks, onStart, onComplete }: Job): boolean {
  return onStart === undefined && onComplete === undefined && tasks.every(({ handler }) => handler !== undefined)
}

/**
 * The held jobs that a node may evict, because the storage has their whole definitions; least recently used first. Once a
 * node has more of them than its limit, it evicts some and reads them again when they come due. See decision 13.
 */
export class LooseJobs {
  /** Sent once, when the number of jobs first exceeds the limit. */
  readonly overflowed: Signal = new Signal()
  readonly #most: number
  readonly #jobs = new Set<RegisteredJob>()
  #isPartial: boolean

  constructor(most: number, { isPartial = false }: { readonly isPartial?: boolean } = {}) {
    this.#most = most
    this.#isPartial = isPartial
  }

  /** Whether this node evicts jobs, so that the storage may have jobs that it can run and does not hold. */
  get isPartial(): boolean {
    return this.#isPartial
  }

  /** Whether the node may hold further due jobs. */
  get hasRoom(): boolean {
    return this.#jobs.size < this.#most + Math.max(fewestDue, dueFactor * this.#most)
  }

  /** Marks a job as just used. Jobs with code of their own and jobs of the option `jobs` are never evicted. */
  use(job: RegisteredJob): void {
    this.#jobs.delete(job)
    if (job.origin === 'jobs' || !isData(job.job)) return
    this.#jobs.add(job)
    if (this.#isPartial || this.#jobs.size <= this.#most) return
    this.#isPartial = true
    this.overflowed.send()
  }

  remove(job: RegisteredJob): void {
    this.#jobs.delete(job)
  }

  /**
   * The jobs to evict, least recently used first, until the limit is met. Such a job has no slot up to the instant, and no
   * step is processing one of its slots.
   */
  *unneeded(upTo: number): Generator<RegisteredJob> {
    if (!this.#isPartial) return
    for (const job of this.#jobs) {
      if (this.#jobs.size <= this.#most) return
      if (job.inFlight === 'no' && isIdle(job, upTo)) yield job
    }
  }
}

/**
 * Returns whether the job has no slot up to the instant. A job with a next slot but without a timer is busy, because a step
 * is processing the slot. Exceptions: another node launches its slots, or this node lacks its handlers.
 */
function isIdle({ heapIndex, at, isLeft, plan }: RegisteredJob, upTo: number): boolean {
  return heapIndex < 0 ? at === Number.POSITIVE_INFINITY || isLeft || plan === null : at > upTo
}
