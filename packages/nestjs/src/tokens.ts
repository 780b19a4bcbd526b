import { Inject } from '@nestjs/common'

/** The injection token of the scheduler, for `app.get(schedulerToken)`. */
export const schedulerToken: unique symbol = Symbol.for('jobistemer.scheduler')

/**
 * The injection token of the job operations, which the scheduler or the client of this process performs. The operations
 * work until the server is closed.
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
 * Injects the `JobOperations` of the application's scheduler, or of its client if the application has no scheduler.
 *
 * While the scheduler shuts down, requests can still trigger runs, which other processes execute. These calls then throw
 * `SCHEDULER_STATE`:
 * - `waitFor` and `changes`
 * - each method that is called on the scheduler itself
 *
 * @example
 * constructor(@InjectJobs() private readonly jobs: JobOperations) {}
 */
export function InjectJobs(): PropertyDecorator & ParameterDecorator {
  return Inject(jobsToken)
}
