import type { Job } from '../../job/define-job.ts'
import { Signal } from '../runtime/signal.ts'
import type { RegisteredJob } from './registered-job.ts'
import { dueFactor, fewestDue } from './tuning.ts'

/** Whether the storage has all there is of a job, but for its handlers. */
export function isData({ tasks, onStart, onComplete }: Job): boolean {
  return onStart === undefined && onComplete === undefined && tasks.every(({ handler }) => handler !== undefined)
}

/**
 * Jobs that a node need not hold, since the storage has all there is of them: in the order in which they were last used.
 * Once there are more than may be held, some are dropped, and looked up when they come due, see decision 13.
 */
export class LooseJobs {
  /** Sent once, when there are more than may be held. */
  readonly overflowed: Signal = new Signal()
  readonly #most: number
  readonly #jobs = new Set<RegisteredJob>()
  #isPartial: boolean

  constructor(most: number, { isPartial = false }: { readonly isPartial?: boolean } = {}) {
    this.#most = most
    this.#isPartial = isPartial
  }

  /** Whether there may be jobs that this node can run and does not hold. */
  get isPartial(): boolean {
    return this.#isPartial
  }

  /** Whether more may be held that are due. */
  get hasRoom(): boolean {
    return this.#jobs.size < this.#most + Math.max(fewestDue, dueFactor * this.#most)
  }

  /** The job is in use. One that has code of its own is none of these. */
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

  /** Those that may go, the longest unused first: they have no slot up to the instant, and nothing of them is under way. */
  *unneeded(upTo: number): Generator<RegisteredJob> {
    if (!this.#isPartial) return
    for (const job of this.#jobs) {
      if (this.#jobs.size <= this.#most) return
      if (job.inFlight === 'no' && isIdle(job, upTo)) yield job
    }
  }
}

/**
 * Neither on the agenda nor over: its slot is in somebody's hand, unless this node leaves it to others or lacks the handlers
 * for it.
 */
function isIdle({ heapIndex, at, isLeft, plan }: RegisteredJob, upTo: number): boolean {
  return heapIndex < 0 ? at === Number.POSITIVE_INFINITY || isLeft || plan === null : at > upTo
}
