import {
  type InstantInput,
  readScheduleOptions,
  type ScheduleOptions,
  toZonedInstantText,
} from '@jobistemer/core/schedule'
import { type Iso8601Schedule, iso8601ScheduleOf, type UnboundIso8601Schedule } from './iso8601-schedule.ts'
import { readInterval } from './read-interval.ts'

/** The options of {@link iso8601}. */
export interface Iso8601Options extends ScheduleOptions {
  /**
   * The schedule does not fire before this instant. A bare period (`PT6H`) counts from `start`, and fires first at
   * `start`. If the interval text contains a start, the periods count from that start instead.
   */
  readonly start?: InstantInput
}

/**
 * Makes a schedule from an ISO 8601 repeating interval, which has one of these forms:
 *
 * - `R/START/PERIOD` or `R/START/END` counts from the start. For example, `R5/2026-01-31T00:00:00/P1M` fires five times,
 *   first at the start.
 * - `R/PERIOD/END` counts back from the end.
 * - A bare period such as `PT6H` counts from the option `start`, or else from 1970-01-01T00:00:00 in the time zone.
 *
 * Instants are `start + n × period`. Years, months, weeks and days keep the local time of day. Hours, minutes and
 * seconds are exact durations.
 *
 * @example
 * const monthly = iso8601('R5/2026-01-31T00:00:00/P1M', { timezone: 'Europe/Berlin' })
 * monthly.next('2026-02-01T00:00:00Z') // => 2026-02-27T23:00:00.000Z
 *
 * @throws JobistemerError `INVALID_SCHEDULE`, `SCHEDULE_NEVER_FIRES`, `INVALID_TIMEZONE`, `INVALID_INSTANT`,
 * `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function iso8601(interval: string, options: Iso8601Options = {}): Iso8601Schedule | UnboundIso8601Schedule {
  const { timezone, start, end } = readScheduleOptions(options, ['timezone', 'start', 'end'])
  return iso8601ScheduleOf({
    interval: readInterval(interval).trim(),
    ...(timezone === undefined ? undefined : { timezone }),
    ...(start === undefined ? undefined : { start: toZonedInstantText(start, 'start') }),
    ...(end === undefined ? undefined : { end: toZonedInstantText(end, 'end') }),
  })
}
