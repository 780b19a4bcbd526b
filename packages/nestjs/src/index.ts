export {
  Handler,
  Job,
  type JobDecoratorOptions,
  Task,
  type TaskDecoratorOptions,
  type TaskMethodDecorator,
} from './job-decorator.ts'
export { type HealthReport, JobistemerHealth } from './jobistemer-health.ts'
export { JobistemerModule } from './jobistemer-module.ts'
export type {
  JobistemerClientOptions,
  JobistemerModuleAsyncOptions,
  JobistemerModuleOptions,
  JobistemerOptionsFactory,
} from './module-options.ts'
export { nestLogger } from './nest-logger.ts'
export { InjectJobs, InjectScheduler, jobsToken, optionsToken, schedulerToken } from './tokens.ts'
