import { readTimezone, type SerializedSchedule } from '@jobistemer/core/schedule'

/**
 * Returns the time zone of a stored schedule, or `undefined` if the schedule names none. A user's schedule type may store
 * another value than an IANA name as its `timezone`; the result is then `undefined` too.
 */
export function zoneOfSchedule(schedule: SerializedSchedule | null): string | undefined {
  const timezone = schedule?.timezone
  if (typeof timezone !== 'string') return undefined
  try {
    return readTimezone(timezone, 'timezone')
  } catch {
    return undefined
  }
}
