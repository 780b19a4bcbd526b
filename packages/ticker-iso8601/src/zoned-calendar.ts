import { DateTime, Info, type Zone } from 'luxon'
import type { Period } from './period.ts'

const msPerDay = 86_400_000
const msPerMinute = 60_000

/**
 * Calendar arithmetic in a time zone. A local time is what the clock shows, in milliseconds from 1970-01-01T00:00:00 as
 * if every day had 24 hours; `NaN` beyond the calendar's end.
 */
export class ZonedCalendar {
  readonly #zone: Zone

  constructor(timezone: string) {
    this.#zone = Info.normalizeZone(timezone)
  }

  /** What the clock shows at an instant. */
  localAt(instantMs: number): number {
    return instantMs + this.#offsetAt(instantMs)
  }

  /**
   * The instant at which the clock shows this: the first of two, and shifted forward by the length of the gap when it
   * shows it never.
   */
  instantOf(localMs: number): number {
    if (Number.isNaN(localMs)) return Number.NaN
    // No zone changes its offset twice within two days.
    const before = this.#offsetAt(localMs - msPerDay)
    const after = this.#offsetAt(localMs + msPerDay)
    if (before === after || this.#offsetAt(localMs - before) === before) return localMs - before
    return this.#offsetAt(localMs - after) === after ? localMs - after : localMs - before
  }

  /** Adds the calendar part of `count` periods to a local time. */
  add(localMs: number, period: Period, count: number): number {
    const moved = localMs + period.days * count * msPerDay
    if (period.months === 0) return moved
    // Months first, then days: the end of February and one day is the first of March.
    const months = DateTime.fromMillis(localMs, { zone: 'utc' }).plus({ months: period.months * count })
    return months.toMillis() + moved - localMs
  }

  #offsetAt(instantMs: number): number {
    // Local times before standard time have offsets of odd seconds, which luxon gives as fractions of minutes.
    return Math.round(this.#zone.offset(instantMs) * msPerMinute)
  }
}
