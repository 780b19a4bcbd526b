import { averageMs, type Period } from './period.ts'
import type { ZonedCalendar } from './zoned-calendar.ts'

/** Where a series begins, and how far it goes. */
export interface SeriesOptions {
  /** The instant number 0. */
  readonly anchorMs: number
  /** What the clock shows there: the calendar part of the period is counted from this. */
  readonly anchorLocalMs: number
  readonly period: Period
  readonly calendar: ZonedCalendar
  /** The numbers of the first and the last instant; infinite for an open end. */
  readonly first: number
  readonly last: number
}

// The years 1 to 9999.
const earliestMs = -62_135_596_800_000
const latestMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/**
 * The instants `anchor + n × period`: never `last + period`, so the end of January stays the end of every month, and
 * every instant is found without going through those before it.
 */
export class PeriodSeries {
  readonly #options: SeriesOptions
  readonly #averageMs: number
  // The last two computed instants: a caller that continues from one of them needs it again.
  #recent: readonly [number: number, time: number][] = []

  constructor(options: SeriesOptions) {
    this.#options = options
    this.#averageMs = averageMs(options.period)
  }

  /** The first instant strictly after, or `null`. */
  nextMs(afterMs: number): number | null {
    const after = Math.max(Math.floor(afterMs), earliestMs - 1)
    if (after >= latestMs) return null
    const at = this.#instant(this.#numberAfter(after))
    return at === null || at > latestMs ? null : at
  }

  /** The last instant strictly before, or `null`. */
  previousMs(beforeMs: number): number | null {
    const before = Math.min(Math.ceil(beforeMs), latestMs + 1)
    if (before <= earliestMs) return null
    const at = this.#instant(this.#numberBefore(before))
    return at === null || at < earliestMs ? null : at
  }

  /** The number of the first instant after. */
  #numberAfter(after: number): number {
    const { first } = this.#options
    if (this.#isExact) return Math.max(first, this.#stepsUpTo(after) + 1)
    // The estimate is off by a step or two, because months and days have different lengths.
    let number = Math.max(first, this.#estimate(after))
    while (number > first && this.#timeOf(number - 1) > after) number--
    while (this.#timeOf(number) <= after) number++
    return number
  }

  /** The number of the last instant before. */
  #numberBefore(before: number): number {
    const { last } = this.#options
    if (this.#isExact) return Math.min(last, this.#stepsUpTo(before - 1))
    let number = Math.min(last, this.#estimate(before))
    while (number < last && this.#timeOf(number + 1) < before) number++
    while (this.#timeOf(number) >= before) number--
    return number
  }

  /** The period has no calendar part: all steps are equally long. */
  get #isExact(): boolean {
    const { months, days } = this.#options.period
    return months === 0 && days === 0
  }

  /** How many whole exact steps lie between the anchor and an instant. A plain division would round. */
  #stepsUpTo(instant: number): number {
    const { anchorMs, period } = this.#options
    const distance = instant - anchorMs
    const rest = distance % period.milliseconds
    return (distance - (rest < 0 ? rest + period.milliseconds : rest)) / period.milliseconds
  }

  #estimate(instant: number): number {
    return Math.floor((instant - this.#options.anchorMs) / this.#averageMs)
  }

  /** The instant of a number, or `null` when the series does not have it. */
  #instant(number: number): number | null {
    const { first, last } = this.#options
    return number < first || number > last ? null : this.#timeOf(number)
  }

  /** The instant of a number; infinite beyond the end of the calendar. */
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
