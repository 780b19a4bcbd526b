import type { CronOptions } from './cron-options.ts'
import { type CronSchedule, cronScheduleOf, type UnboundCronSchedule } from './cron-schedule.ts'
import { readCronSource } from './cron-source.ts'

/**
 * A schedule from a cron expression: 5 fields (minute, hour, day of month, month, day of week), 6 with seconds first, 7
 * with the year last, or a name such as `@daily`.
 *
 * An expression with an `H`, and one for which no time zone is given, can be bound to a job (`defineJob` does it): `H`
 * is derived from the job's name then, and the zone is the job's.
 *
 * @example
 * const nightly = cron('0 2 * * *', { timezone: 'Europe/Berlin' })
 * nightly.next('2026-03-28T12:00:00Z') // => 2026-03-29T01:00:00.000Z
 * nightly.describe() // => 'at 02:00, Europe/Berlin'
 *
 * @throws JobistemerError `INVALID_SCHEDULE` naming the field that cannot be read, `SCHEDULE_NEVER_FIRES`,
 * `INVALID_TIMEZONE`, `INVALID_INSTANT`, `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function cron(expression: string, options: CronOptions = {}): CronSchedule | UnboundCronSchedule {
  return cronScheduleOf(readCronSource(expression, options))
}
