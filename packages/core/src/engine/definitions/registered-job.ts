import type { JobRecord } from '../../storage/job-record.ts'
import type { Job } from '../../job/define-job.ts'
import type { SlotEntry } from '../runtime/agenda.ts'
import type { JobPlan } from './job-plan.ts'
import { UnrevivedSchedule } from './schedule-reviver.ts'
import type { SlotSeries } from './slot-series.ts'

/**
 * Returns whether the watermark lies more than a minute ahead of `now`, because a wrong clock has set it. A smaller difference
 * does not prove a wrong clock. If the storage has no clock, correct clocks of nodes may differ by less than a minute.
 */
export function isAhead({ watermark }: Pick<JobRecord, 'watermark'>, now: number): boolean {
  return watermark - now > 60_000
}

/**
 * How a node got a job:
 * - `jobs`: by its option `jobs`.
 * - `added`: by a call of `add` or `apply` on the node.
 * - `stored`: only by reading the storage. Then the node has no definition of its own.
 */
export type JobOrigin = 'jobs' | 'added' | 'stored'

/**
 * Returns whether the node's build defines the job. The build does not define a job that was added as data. Only the storage
 * keeps such a job, and the next `add` replaces it.
 */
export function isOfBuild({ origin, job }: Pick<RegisteredJob, 'origin' | 'job'>): boolean {
  return origin === 'jobs' || (origin === 'added' && job.tasks.some(({ run }) => run !== undefined))
}

/**
 * A job that this node holds, with what this node knows about the job's head. The object is small, because a node may hold
 * 100,000 jobs.
 */
export class RegisteredJob implements SlotEntry {
  /** The job's next slot as this node knows it, in epoch milliseconds; infinite without a next slot. */
  at: number = Number.POSITIVE_INFINITY
  heapIndex: number = -1
  /**
   * Milliseconds by which the agenda treats the slot as earlier, because of the job's priority. Only the agenda changes this
   * value.
   */
  forwardMs: number = 0
  job: Job
  origin: JobOrigin
  version: number
  /**
   * Instant at which the job's head was created, in epoch milliseconds. If a job vanished or was deleted, and is created again,
   * its head has another value.
   */
  createdAt: number
  /** Whether the definition in force differs from this node's own definition. */
  isFollowing = false
  watermark: number
  series: SlotSeries
  /** The plan of the version in force; `undefined` before its computation, `null` if this node lacks code for a task. */
  plan: JobPlan | null | undefined = undefined
  /**
   * Whether this node found the next slot overdue in the storage. If so, this node launches the slot even if the job is
   * assigned to another node.
   */
  isOverdue = false
  /**
   * Highest watermark in the storage's answers to this node; `null` before the first answer. A head whose next slot lies at or
   * before this watermark was read before that answer.
   */
  decidedUpTo: number | null = null
  /** Whether this node is creating or recovering a slot of the job. `and due again`: another slot has come due meanwhile. */
  inFlight: 'no' | 'yes' | 'and due again' = 'no'

  /** End of the pause. `null` means minus infinity: as a number, minus infinity would take 16 bytes more per job. */
  #pausedUntil: number | null = null

  constructor(job: Job, record: JobRecord, series: SlotSeries, origin: JobOrigin) {
    this.job = job
    this.origin = origin
    this.version = record.version
    this.createdAt = record.createdAt
    this.watermark = record.watermark
    this.series = series
  }

  /**
   * Whether this node cannot load the stored schedule. If so, this node launches no slots, but runs occurrences that
   * other nodes create.
   */
  get isUnscheduled(): boolean {
    return this.series instanceof UnrevivedSchedule
  }

  /** End of the job's pause, in epoch milliseconds; minus infinity without a pause. */
  get pausedUntil(): number {
    return this.#pausedUntil ?? Number.NEGATIVE_INFINITY
  }

  set pausedUntil(until: number) {
    this.#pausedUntil = until === Number.NEGATIVE_INFINITY ? null : until
  }

  /** Yields the job's next slots, as far as this node knows them. */
  *nextSlots(): Generator<number, void> {
    // If this node has a timer for the job, `at` is the job's next slot. Without a timer (`heapIndex` below 0), `at` may be
    // outdated, because another node may have launched slots. The next slot then comes from the schedule.
    let slot: number | null = this.heapIndex < 0 ? this.series.nextMs(this.watermark) : this.at
    while (slot !== null) {
      yield slot
      slot = this.series.nextMs(slot)
    }
  }
}
