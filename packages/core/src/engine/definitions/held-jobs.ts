import type { JobId } from '../../ids.ts'
import type { Job } from '../../job/define-job.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { OverriddenDefinitions } from './definition-precedence.ts'
import type { JobPlans } from './job-plans.ts'
import type { JobOrigin, RegisteredJob } from './registered-job.ts'
import type { SlotSeries } from './slot-series.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { Signal } from '../runtime/signal.ts'
import { upkeepMs } from '../../tuning.ts'

export type RegistrationChange = 'created' | 'updated' | 'unchanged' | 'followed'

/** The members of `JobRegistry` that `JobRefresher` and `Registrations` call. `JobRegistry` documents them. */
export interface HeldJobs {
  readonly size: number
  readonly plans: JobPlans
  readonly overridden: OverriddenDefinitions
  readonly definitions: Signal
  get(id: JobId): RegisteredJob | undefined
  holds(job: RegisteredJob): boolean
  all(): IterableIterator<RegisteredJob>
  definitionOf(job: RegisteredJob): Job
  learnTypeOf(job: Job): void
  seriesOf(timeline: JobRecord['timeline'], job: Job | null): SlotSeries
  adopt(known: Job, record: JobRecord, change?: RegistrationChange, origin?: JobOrigin): RegisteredJob
  adoptDefinition(job: Job, record: JobRecord, change: RegistrationChange | undefined, origin: JobOrigin): RegisteredJob
  adoptAsked(job: Job, record: JobRecord, change: RegistrationChange | undefined, origin: JobOrigin): RegisteredJob
  forget(job: RegisteredJob): void
  reload(job: RegisteredJob): void
}

type Engine = Pick<EngineContext, 'agenda' | 'fail'>
type Registry = Pick<HeldJobs, 'reload'>

/** Reports that the storage rejects a job's slot, and reloads the job after {@link upkeepMs}. */
export function suspendJob(engine: Engine, registry: Registry, job: RegisteredJob, error: unknown): void {
  engine.fail(`due slots of job ${job.job.name}`, error)
  reloadLater(engine, registry, job)
}

/** Reports that a job's schedule throws, and reloads the job after {@link upkeepMs}. */
export function suspendUnscheduled(engine: Engine, registry: Registry, job: RegisteredJob, error: unknown): void {
  engine.fail(`schedule of job ${job.job.name}`, error)
  reloadLater(engine, registry, job)
}

/** Reloads a job after {@link upkeepMs}, because the outcome of its due slot is unknown. */
export function reloadLater({ agenda }: Pick<Engine, 'agenda'>, registry: Registry, job: RegisteredJob): void {
  agenda.setAlarm({ at: 0, heapIndex: -1, ring: () => registry.reload(job) }, upkeepMs)
}
