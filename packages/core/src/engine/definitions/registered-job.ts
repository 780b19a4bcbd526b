import type { JobRecord } from '../../storage/job-record.ts'
import { ordinaryClockErrorMs } from './tuning.ts'
import type { Job } from '../../job/define-job.ts'
import type { SlotEntry } from '../runtime/agenda.ts'
import type { JobPlan } from './job-plan.ts'
import { UnrevivedSchedule } from './schedule-reviver.ts'
import type { SlotSeries } from './slot-series.ts'

/** Returns whether the watermark lies so far ahead of `now` that a wrong clock must have set it. */
export function isAhead({ watermark }: Pick<JobRecord, 'watermark'>, now: number): boolean {
  return watermark - now > ordinaryClockErrorMs
}

/**
 * The source from which a node has a job: its option `jobs`, a call of `add` or `apply` on it, or only the storage. With the
 * first two, the node has its own definition.
 */
export type JobOrigin = 'jobs' | 'added' | 'stored'

/**
 * Returns whether the node's build defines the job. A job that was added as data belongs to no build: the storage keeps it,
 * and the next `add` replaces it.
 */
export function isOfBuild({ origin, job }: Pick<RegisteredJob, 'origin' | 'job'>): boolean {
  return origin === 'jobs' || (origin === 'added' && job.tasks.some(({ run }) => run !== undefined))
}

/**
 * A job that this node holds, with what it knows about the job's head. A node may hold 100,000 jobs, so an idle job needs
 * only this object and its position in the heap.
 */
export class RegisteredJob implements SlotEntry {
  /** The next slot as far as this node knows, in epoch milliseconds; infinite without one. The storage decides. */
  at: number = Number.POSITIVE_INFINITY
  heapIndex: number = -1
  /** Follows from the priority of the version in force. Only the agenda changes it. */
  forwardMs: number = 0
  job: Job
  origin: JobOrigin
  version: number
  /** Creation of the head, in epoch milliseconds. A job that was lost or deleted and created again has another value. */
  createdAt: number
  /** The definition in force differs from the definition of this node. */
  isFollowing = false
  watermark: number
  series: SlotSeries
  /** The plan of the version in force, made on first use. `null`: this node lacks one of its handlers. */
  plan: JobPlan | null | undefined = undefined
  /** This node found the next slot overdue in the storage, and so launches it. */
  isOverdue = false
  /** Highest watermark in answers to this node. A head with an earlier next slot was read before. `null`: no answer yet. */
  decidedUpTo: number | null = null
  /** Whether a step is creating or recovering a slot of the job, and whether another slot has come due meanwhile. */
  inFlight: 'no' | 'yes' | 'and due again' = 'no'
  /** A node with a better rank launches the slots. The job is not on the agenda until the living nodes change. */
  isLeft = false

  /** `null` instead of an infinite number, which takes 16 bytes of memory per job. */
  #pausedUntil: number | null = null

  constructor(job: Job, record: JobRecord, series: SlotSeries, origin: JobOrigin) {
    this.job = job
    this.origin = origin
    this.version = record.version
    this.createdAt = record.createdAt
    this.watermark = record.watermark
    this.series = series
  }

  /** This node cannot revive the schedule: it launches no slots, but runs occurrences that other nodes create. */
  get isUnscheduled(): boolean {
    return this.series instanceof UnrevivedSchedule
  }

  /** End of the pause from the head, in epoch milliseconds. No run starts before it, and slots before it are skipped. */
  get pausedUntil(): number {
    return this.#pausedUntil ?? Number.NEGATIVE_INFINITY
  }

  set pausedUntil(until: number) {
    this.#pausedUntil = until === Number.NEGATIVE_INFINITY ? null : until
  }

  /** The next slots, as this node knows them. */
  *nextSlots(now: number): Generator<number, void> {
    const decidedUpTo = this.isLeft ? Math.max(this.watermark, now) : this.watermark
    // Without a slot in the heap, the series decides: the job may have no further slot, or other nodes launch its slots.
    let slot: number | null = this.heapIndex < 0 ? this.series.nextMs(decidedUpTo) : this.at
    while (slot !== null) {
      yield slot
      slot = this.series.nextMs(slot)
    }
  }
}
