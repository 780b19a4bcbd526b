import type { Job } from '../../job/define-job.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { HeapEntry } from '../loop/indexed-heap.ts'
import type { JobPlan } from './job-plan.ts'
import type { SlotSeries } from './timeline.ts'

/**
 * A job that this node runs, with what it knows of the job's head. There may be a hundred thousand of them, so this
 * holds no more than it must: an idle job is this object and its place in the heap.
 */
export class RegisteredJob implements HeapEntry {
  /** The next instant that this node believes in; the storage decides. */
  at: number = Number.POSITIVE_INFINITY
  heapIndex: number = -1
  job: Job
  version: number
  watermark: number
  series: SlotSeries
  /** This node cannot revive its schedules: it leaves its slots to other nodes, and still runs what they create. */
  isUnscheduled = false
  /** Made when the job first runs; `null` when this node lacks a handler of the stored version. */
  plan: JobPlan | null | undefined = undefined
  paused = false

  constructor(job: Job, record: JobRecord, series: SlotSeries) {
    this.job = job
    this.version = record.version
    this.watermark = record.watermark
    this.series = series
  }

  /** The next slots, at most so many. */
  nextSlots(count: number): readonly number[] {
    const slots: number[] = []
    // A job whose next slot is not in the heap has no further one.
    let slot: number | null = this.heapIndex < 0 ? this.series.nextMs(this.watermark) : this.at
    while (slot !== null && slots.length < count) {
      slots.push(slot)
      slot = this.series.nextMs(slot)
    }
    return slots
  }
}
