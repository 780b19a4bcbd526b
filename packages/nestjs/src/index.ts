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
  JobistemerModuleAsyncOptions,
  JobistemerModuleOptions,
  JobistemerOptionsFactory,
} from './module-options.ts'
export { nestLogger } from './nest-logger.ts'
export { InjectScheduler, optionsToken, schedulerToken } from './tokens.ts'
