import { Inject } from '@nestjs/common'

/** The token of the scheduler, for `app.get(schedulerToken)`. */
export const schedulerToken: unique symbol = Symbol.for('jobistemer.scheduler')

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
