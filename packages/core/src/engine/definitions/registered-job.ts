import type { Job } from '../../job/define-job.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { SlotEntry } from '../runtime/slot-levels.ts'
import type { JobPlan } from './job-plan.ts'
import type { SlotSeries } from './slot-series.ts'

const none: readonly string[] = Object.freeze([])

/**
 * Where a node has a job from: its option `jobs`, a call of `add` or `apply` on it, or the storage alone. The first two
 * are definitions of its own.
 */
export type JobOrigin = 'jobs' | 'added' | 'stored'

/**
 * Whether a node's build defines the job. What was added as data alone is kept by the storage: whoever adds it again
 * decides.
 */
export function isOfBuild({ origin, job }: Pick<RegisteredJob, 'origin' | 'job'>): boolean {
  return origin === 'jobs' || (origin === 'added' && job.tasks.some(({ run }) => run !== undefined))
}

/**
 * A job that this node runs, with what it knows of the job's head. There may be a hundred thousand of them, so this
 * holds no more than it must: an idle job is this object and its place in the heap.
 */
export class RegisteredJob implements SlotEntry {
  /** The next instant that this node believes in; the storage decides. Infinite when there is none. */
  at: number = Number.POSITIVE_INFINITY
  heapIndex: number = -1
  /** Of the version in force. Changed through the agenda alone. */
  priority: number = 0
  job: Job
  origin: JobOrigin
  version: number
  /** Of the head: a job that was lost, or deleted, and came back has another one. */
  createdAt: number
  /** Another definition than this node's own is in force. */
  isFollowing = false
  watermark: number
  /** The last slot that this node has created, as the storage has acknowledged. */
  created: number = Number.NEGATIVE_INFINITY
  series: SlotSeries
  /** This node cannot revive its schedules: it leaves its slots to other nodes, and still runs what they create. */
  isUnscheduled = false
  /** Made when the job first runs; `null` when this node lacks a handler of the stored version. */
  plan: JobPlan | null | undefined = undefined
  /** Names of what this node lacks to run the stored version, where its plan is `null`. */
  missing: readonly string[] = none
  /** As in the head: see `pausedUntil`. Nothing of it starts before, and slots before it are skipped. */
  pausedUntil: number = Number.NEGATIVE_INFINITY
  /** Its next slot was found overdue in the storage: whoever finds that launches it. */
  isOverdue = false
  /** Up to here answers to this node have said that slots are decided: a look that shows less is older. */
  decidedUpTo: number = Number.NEGATIVE_INFINITY
  /** Whether a slot of it is being created or recovered, and another one has come due meanwhile. */
  inFlight: 'no' | 'yes' | 'and due again' = 'no'
  /** Its slots are left to a node that goes before this one: it is on no agenda until others come or go. */
  isLeft = false
  /** The node does not hold it any more: whoever still has it in hand moves nothing. */
  isDropped = false

  constructor(job: Job, record: JobRecord, series: SlotSeries, origin: JobOrigin) {
    this.job = job
    this.origin = origin
    this.version = record.version
    this.createdAt = record.createdAt
    this.watermark = record.watermark
    this.series = series
  }

  /** The next slots, as this node knows them. */
  *nextSlots(now: number): Generator<number, void> {
    const decidedUpTo = this.isLeft ? Math.max(this.watermark, now) : this.watermark
    // A job whose next slot is not in the heap has no further one, unless it is left to others.
    let slot: number | null = this.heapIndex < 0 ? this.series.nextMs(decidedUpTo) : this.at
    while (slot !== null) {
      yield slot
      slot = this.series.nextMs(slot)
    }
  }
}
