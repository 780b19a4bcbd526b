import type { EngineContext } from '../storage-access/engine-context.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { RegisteredJob } from './registered-job.ts'
import { suspendedMs } from './tuning.ts'

type Engine = Pick<EngineContext, 'agenda' | 'fail'>
type Registry = Pick<HeldJobs, 'reload'>

/** The storage refuses what is due of a job: the others go on, it is said, and tried again a while later. */
export function leaveOut(engine: Engine, registry: Registry, job: RegisteredJob, error: unknown): void {
  engine.fail(`what is due of job ${job.job.name}`, error)
  lookAgain(engine, registry, job)
}

/** A schedule of the user's own throws: as {@link leaveOut}. */
export function leaveUnscheduled(engine: Engine, registry: Registry, job: RegisteredJob, error: unknown): void {
  engine.fail(`schedule of job ${job.job.name}`, error)
  lookAgain(engine, registry, job)
}

/** Reads the head of a job again a while later, as it is not known what has become of what was due of it. */
export function lookAgain({ agenda }: Pick<Engine, 'agenda'>, registry: Registry, job: RegisteredJob): void {
  agenda.setAlarm({ at: 0, heapIndex: -1, ring: () => registry.reload(job) }, suspendedMs)
}
