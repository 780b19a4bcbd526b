import { averageMs, type Period } from './period.ts'
import type { ZonedCalendar } from './zoned-calendar.ts'

/** The anchor, the period and the bounds of a series. */
export interface SeriesOptions {
  /** The instant from which the series counts, in epoch milliseconds. In the series, this instant has the number 0. */
  readonly anchorMs: number
  /** The local time of the anchor. The calendar part of the period is added to it. */
  readonly anchorLocalMs: number
  readonly period: Period
  readonly calendar: ZonedCalendar
  /** The numbers of the first and last instant; infinite for an open end. */
  readonly first: number
  readonly last: number
}

// The first instant of the year 1. All instants are in the years 1 to 9999.
const earliestMs = -62_135_596_800_000
const latestMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/**
 * A series of instants `anchor + n × period`. Each instant is computed from the anchor, not from the instant before it.
 *
 * - A monthly series from January 31 has its instants on the last days of months.
 * - A search can compute an instant without all earlier instants.
 */
export class PeriodSeries {
  readonly #options: SeriesOptions
  readonly #averageMs: number
  // The last two computed instants, because a caller that continues the series needs one of them again.
  #recent: readonly [number: number, time: number][] = []

  constructor(options: SeriesOptions) {
    this.#options = options
    this.#averageMs = averageMs(options.period)
  }

  /** Returns the first instant after `afterMs`, or `null`. */
  nextMs(afterMs: number): number | null {
    const after = Math.max(Math.floor(afterMs), earliestMs - 1)
    if (after >= latestMs) return null
    const at = this.#instant(this.#numberAfter(after))
    return at === null || at > latestMs ? null : at
  }

  /** Returns the last instant before `beforeMs`, or `null`. */
  previousMs(beforeMs: number): number | null {
    const before = Math.min(Math.ceil(beforeMs), latestMs + 1)
    if (before <= earliestMs) return null
    const at = this.#instant(this.#numberBefore(before))
    return at === null || at < earliestMs ? null : at
  }

  /** Returns the number of periods from the anchor to the first instant after `after`. */
  #numberAfter(after: number): number {
    const { first } = this.#options
    if (this.#isExact) return Math.max(first, this.#stepsUpTo(after) + 1)
    // The estimate may be wrong by one or two steps, because months and days have different lengths.
    let number = Math.max(first, this.#estimate(after))
    while (number > first && this.#timeOf(number - 1) > after) number--
    while (this.#timeOf(number) <= after) number++
    return number
  }

  /** Returns the number of periods from the anchor to the last instant before `before`. */
  #numberBefore(before: number): number {
    const { last } = this.#options
    if (this.#isExact) return Math.min(last, this.#stepsUpTo(before - 1))
    let number = Math.min(last, this.#estimate(before))
    while (number < last && this.#timeOf(number + 1) < before) number++
    while (this.#timeOf(number) >= before) number--
    return number
  }

  /** `true` if the period has no calendar part, so that all steps have the same length. */
  get #isExact(): boolean {
    const { months, days } = this.#options.period
    return months === 0 && days === 0
  }

  /**
   * Returns the number of whole steps between the anchor and an instant. Subtracts the remainder before the division,
   * because a floating-point quotient could be rounded up to the next whole number.
   */
  #stepsUpTo(instant: number): number {
    const { anchorMs, period } = this.#options
    const distance = instant - anchorMs
    const rest = distance % period.milliseconds
    return (distance - (rest < 0 ? rest + period.milliseconds : rest)) / period.milliseconds
  }

  #estimate(instant: number): number {
    return Math.floor((instant - this.#options.anchorMs) / this.#averageMs)
  }

  /** Returns the instant with this number, or `null` if the number is outside of the series. */
  #instant(number: number): number | null {
    const { first, last } = this.#options
    return number < first || number > last ? null : this.#timeOf(number)
  }

  /** Returns the instant with this number; infinite beyond the end of the calendar. */
  #timeOf(number: number): number {
    const { anchorMs, anchorLocalMs, period, calendar } = this.#options
    if (number === 0) return anchorMs
    if (this.#isExact) return anchorMs + number * period.milliseconds
    for (const [known, time] of this.#recent) if (known === number) return time
    const at = calendar.instantOf(calendar.add(anchorLocalMs, period, number)) + number * period.milliseconds
    const beyond = number > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
    const time = Number.isNaN(at) ? beyond : at
    this.#recent = [[number, time], ...this.#recent.slice(0, 1)]
    return time
  }
}
