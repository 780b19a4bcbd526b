import type { EngineContext } from '../loop/engine-context.ts'
import type { JobRegistry } from './job-registry.ts'
import type { RegisteredJob } from './registered-job.ts'

const lookAgainMs = 60_000

/** The storage refuses what is due of a job: the others go on, it is said, and tried again a while later. */
export function leaveOut(
  engine: Pick<EngineContext, 'agenda' | 'fail'>,
  registry: Pick<JobRegistry, 'reload'>,
  job: RegisteredJob,
  error: unknown,
): void {
  engine.fail(`what is due of job ${job.job.name}`, error)
  engine.agenda.setAlarm({ at: 0, heapIndex: -1, ring: () => registry.reload(job) }, lookAgainMs)
}
