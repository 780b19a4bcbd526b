import { DateTime, Info, type Zone } from 'luxon'
import type { Period } from './period.ts'

const msPerDay = 86_400_000
const msPerMinute = 60_000

/**
 * Calendar arithmetic in a time zone. A local time is the time on the zone's clock, in ms since 1970-01-01T00:00:00 as
 * if every day had 24 hours. Beyond the end of the calendar, a local time is `NaN`.
 */
export class ZonedCalendar {
  readonly #zone: Zone

  constructor(timezone: string) {
    this.#zone = Info.normalizeZone(timezone)
  }

  /** Returns the local time at an instant. */
  localAt(instantMs: number): number {
    return instantMs + this.#offsetAt(instantMs)
  }

  /**
   * Returns the instant of a local time. For a time that the clock shows twice, returns the first instant; for a
   * skipped time, shifts forward by the length of the gap.
   */
  instantOf(localMs: number): number {
    if (Number.isNaN(localMs)) return Number.NaN
    // Reads the zone's offsets one day before and one day after the local time. No zone changes its offset twice within
    // two days. So the offset at the local time is one of these two offsets.
    const before = this.#offsetAt(localMs - msPerDay)
    const after = this.#offsetAt(localMs + msPerDay)
    if (before === after || this.#offsetAt(localMs - before) === before) return localMs - before
    return this.#offsetAt(localMs - after) === after ? localMs - after : localMs - before
  }

  /** Returns a local time plus the calendar part of `count` periods. */
  add(localMs: number, period: Period, count: number): number {
    const moved = localMs + period.days * count * msPerDay
    if (period.months === 0) return moved
    // Adds months before days: the end of February plus one day is the first of March.
    const months = DateTime.fromMillis(localMs, { zone: 'utc' }).plus({ months: period.months * count })
    return months.toMillis() + moved - localMs
  }

  #offsetAt(instantMs: number): number {
    // Rounds, because before standard time offsets contain odd seconds, and luxon returns offsets as fractions of
    // minutes.
    return Math.round(this.#zone.offset(instantMs) * msPerMinute)
  }
}
