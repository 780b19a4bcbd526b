import { Inject } from '@nestjs/common'

/** The token of the scheduler, for `app.get(schedulerToken)`. */
export const schedulerToken: unique symbol = Symbol.for('jobistemer.scheduler')

/** The token of what can be asked for, until the server is closed: of the scheduler of this process, or of its client. */
export const jobsToken: unique symbol = Symbol.for('jobistemer.jobs')

/** The token of the options that a module was given: tests replace them. */
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
 * Injects what triggers, cancels and looks at jobs, as `JobOperations`: the scheduler of the application, or its client where it
 * has no scheduler. So the same service works in a process that runs jobs and in one that only asks for them.
 *
 * While the scheduler shuts down, Nest still answers requests. What they trigger is stored then, and other processes run it;
 * `waitFor` and `changes` are refused with `SCHEDULER_STATE`, as all of the scheduler itself is.
 *
 * @example
 * constructor(@InjectJobs() private readonly jobs: JobOperations) {}
 */
export function InjectJobs(): PropertyDecorator & ParameterDecorator {
  return Inject(jobsToken)
}
