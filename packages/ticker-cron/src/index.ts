export { cron } from './cron.ts'
export type { CronDstOptions, CronOptions } from './cron-options.ts'
export { type CronSchedule, cronType, type UnboundCronSchedule } from './cron-schedule.ts'
