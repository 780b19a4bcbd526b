import type { JobId } from '../../ids.ts'
import type { Job } from '../../job/define-job.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { FollowedJobs } from './followed-jobs.ts'
import type { JobPlans } from './job-plans.ts'
import type { JobOrigin, RegisteredJob } from './registered-job.ts'
import type { SlotSeries } from './slot-series.ts'

export type RegistrationChange = 'created' | 'updated' | 'unchanged' | 'followed'

/** The members of `JobRegistry` that its parts call. `JobRegistry` documents each member. */
export interface HeldJobs {
  readonly size: number
  readonly plans: JobPlans
  readonly followed: FollowedJobs
  get(id: JobId): RegisteredJob | undefined
  holds(job: RegisteredJob): boolean
  all(): IterableIterator<RegisteredJob>
  definitionOf(job: RegisteredJob): Job
  learn(records: readonly (JobRecord | null)[]): Promise<unknown> | null
  learnTypeOf(job: Job): void
  seriesOf(timeline: JobRecord['timeline'], job: Job | null): SlotSeries
  adopt(known: Job, record: JobRecord, change?: RegistrationChange, origin?: JobOrigin): RegisteredJob
  adoptDefinition(job: Job, record: JobRecord, change: RegistrationChange | undefined, origin: JobOrigin): RegisteredJob
  forget(job: RegisteredJob): void
  reload(job: RegisteredJob): void
}
