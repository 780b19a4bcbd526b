import type { CronOptions } from './cron-options.ts'
import { type CronSchedule, cronScheduleOf, type UnboundCronSchedule } from './cron-schedule.ts'
import { readCronSource } from './cron-source.ts'

/**
 * Makes a schedule from a cron expression. The expression is a name such as `@daily`, or has 5 to 7 fields:
 *
 * - 5 fields: minute, hour, day of month, month and day of week.
 * - 6 fields: the second precedes these 5 fields.
 * - 7 fields: the second precedes these 5 fields, and the year follows them.
 *
 * `defineJob` binds the schedule to a job. An `H` in the expression then means a number that the job's name determines.
 * A schedule without a time zone gets the time zone of the job.
 *
 * @example
 * const nightly = cron('0 2 * * *', { timezone: 'Europe/Berlin' })
 * nightly.next('2026-03-28T12:00:00Z') // => 2026-03-29T01:00:00.000Z
 * nightly.describe() // => 'at 02:00, Europe/Berlin'
 *
 * @throws JobistemerError `INVALID_SCHEDULE` that names the invalid field, `SCHEDULE_NEVER_FIRES`, `INVALID_TIMEZONE`,
 * `INVALID_INSTANT`, `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function cron(expression: string, options: CronOptions = {}): CronSchedule | UnboundCronSchedule {
  return cronScheduleOf(readCronSource(expression, options))
}
