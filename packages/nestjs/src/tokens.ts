import { Inject } from '@nestjs/common'

/** The injection token of the scheduler, for `app.get(schedulerToken)`. */
export const schedulerToken: unique symbol = Symbol.for('jobistemer.scheduler')

/**
 * The injection token of the job operations, by the scheduler or the client of this process. They work until the server
 * is closed.
 */
export const jobsToken: unique symbol = Symbol.for('jobistemer.jobs')

/** The injection token of the module's options. Tests replace this provider. */
export const optionsToken: unique symbol = Symbol.for('jobistemer.options')

/**
 * Injects the `Scheduler` of the application.
 *
 * @example
 * constructor(@InjectScheduler() private readonly scheduler: Scheduler) {}
 */
export function InjectScheduler(): PropertyDecorator & ParameterDecorator {
  return Inject(schedulerToken)
}

/**
 * Injects the operations on jobs, as `JobOperations`: the scheduler of the application, or its client if the application
 * has no scheduler. So the same service works in a process that runs jobs and in a process that only requests them.
 *
 * While the scheduler shuts down, Nest still answers requests. The storage keeps the runs that they trigger, and other
 * processes run them. `waitFor`, `changes` and all methods of the scheduler throw `SCHEDULER_STATE` then.
 *
 * @example
 * constructor(@InjectJobs() private readonly jobs: JobOperations) {}
 */
export function InjectJobs(): PropertyDecorator & ParameterDecorator {
  return Inject(jobsToken)
}
