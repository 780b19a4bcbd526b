import type { EngineContext } from '../storage-access/engine-context.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { RegisteredJob } from './registered-job.ts'
import { suspendedMs } from './tuning.ts'

type Engine = Pick<EngineContext, 'agenda' | 'fail'>
type Registry = Pick<HeldJobs, 'reload'>

/** Handles a slot that the storage rejects: reports the error, and reloads the job after {@link suspendedMs}. */
export function leaveOut(engine: Engine, registry: Registry, job: RegisteredJob, error: unknown): void {
  engine.fail(`due slots of job ${job.job.name}`, error)
  lookAgain(engine, registry, job)
}

/** Handles a schedule that throws, as {@link leaveOut} does for a rejected slot. */
export function leaveUnscheduled(engine: Engine, registry: Registry, job: RegisteredJob, error: unknown): void {
  engine.fail(`schedule of job ${job.job.name}`, error)
  lookAgain(engine, registry, job)
}

/** Reloads the job after {@link suspendedMs}, because this node does not know the outcome of its due slot. */
export function lookAgain({ agenda }: Pick<Engine, 'agenda'>, registry: Registry, job: RegisteredJob): void {
  agenda.setAlarm({ at: 0, heapIndex: -1, ring: () => registry.reload(job) }, suspendedMs)
}
