import { highestBit, lowestBit, SixtySet } from './bits.ts'
import { firstDayOfMonth, firstYear, lastYear, monthLength, monthOfDay, weekdayOf } from './calendar.ts'
import { compileDayRule, type DayRule, monthMask } from './day-rule.ts'

/** A parsed cron expression: sets of numbers in ascending order, none of them empty. */
export interface CronFields {
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly days: DayRule
  /** Months from 1 to 12. */
  readonly months: readonly number[]
  /** The years of the expression; `null` for every year. */
  readonly years: readonly number[] | null
}

const secondsPerDay = 86_400
const firstDay = firstDayOfMonth(firstYear, 1)
const lastDay = firstDayOfMonth(lastYear, 12) + 30

/**
 * The local times that an expression names, independent of time zones. A local time is the number of seconds since
 * 1970-01-01T00:00:00, as if every day had 86,400 seconds. The years are 1 to 9999.
 */
export class LocalTimes {
  /** A lower bound of the expression's local times. */
  readonly first: number
  /** An upper bound of the expression's local times. */
  readonly last: number

  readonly #seconds: SixtySet
  readonly #minutes: SixtySet
  readonly #hours: number
  readonly #months: number
  readonly #days: readonly number[]
  readonly #years: ReadonlySet<number> | null
  readonly #firstYear: number
  readonly #lastYear: number

  readonly #firstSecond: number
  readonly #lastSecond: number
  readonly #firstInHour: number
  readonly #lastInHour: number
  readonly #firstInDay: number
  readonly #lastInDay: number

  #year = 0
  #month = 0
  #monthStart = 0
  #monthEnd = 0
  #monthDays = 0

  constructor(fields: CronFields) {
    const { seconds, minutes, hours, days, months, years } = fields
    this.#seconds = new SixtySet(seconds)
    this.#minutes = new SixtySet(minutes)
    this.#hours = maskOf(hours)
    this.#months = maskOf(months)
    this.#days = compileDayRule(days)
    this.#years = years === null ? null : new Set(years)
    this.#firstYear = years === null ? firstYear : (years[0] as number)
    this.#lastYear = years === null ? lastYear : (years.at(-1) as number)
    this.first = firstDayOfMonth(this.#firstYear, 1) * secondsPerDay
    this.last = (firstDayOfMonth(this.#lastYear, 12) + 31) * secondsPerDay - 1

    this.#firstSecond = seconds[0] as number
    this.#lastSecond = seconds.at(-1) as number
    this.#firstInHour = (minutes[0] as number) * 60 + this.#firstSecond
    this.#lastInHour = (minutes.at(-1) as number) * 60 + this.#lastSecond
    this.#firstInDay = (hours[0] as number) * 3600 + this.#firstInHour
    this.#lastInDay = (hours.at(-1) as number) * 3600 + this.#lastInHour
  }

  /** `true` if no year has a day that matches the expression. */
  get isEmpty(): boolean {
    // An expression without years is searched for in 400 years, which contain every kind of month. If no day of them
    // matches, no year has a matching day.
    const from = this.#years === null ? 2000 : this.#firstYear
    const to = this.#years === null ? 2399 : this.#lastYear
    const day = this.#nextDay(firstDayOfMonth(from, 1))
    return day > firstDayOfMonth(to, 12) + 30
  }

  /** Returns the first local time after `after`, or `Infinity`. */
  next(after: number): number {
    const from = after + 1
    const day = Math.floor(from / secondsPerDay)
    if (this.#hasDay(day)) {
      const time = this.#nextTime(from - day * secondsPerDay)
      if (time >= 0) return day * secondsPerDay + time
    }
    return this.#nextDay(day + 1) * secondsPerDay + this.#firstInDay
  }

  /** Returns the last local time before `before`, or `-Infinity`. */
  previous(before: number): number {
    const from = before - 1
    const day = Math.floor(from / secondsPerDay)
    if (this.#hasDay(day)) {
      const time = this.#previousTime(from - day * secondsPerDay)
      if (time >= 0) return day * secondsPerDay + time
    }
    return this.#previousDay(day - 1) * secondsPerDay + this.#lastInDay
  }

  /** Returns the first time of day at or after `from`, or -1. `from` and the result are in seconds since midnight. */
  #nextTime(from: number): number {
    const hour = (from / 3600) | 0
    const rest = from - hour * 3600
    if (((this.#hours >>> hour) & 1) === 1) {
      const minute = (rest / 60) | 0
      let next = this.#minutes.atOrAbove(minute)
      if (next === minute) {
        const second = this.#seconds.atOrAbove(rest - minute * 60)
        if (second < 60) return from - rest + minute * 60 + second
        next = this.#minutes.atOrAbove(minute + 1)
      }
      if (next < 60) return from - rest + next * 60 + this.#firstSecond
    }
    const later = hour < 23 ? this.#hours >>> (hour + 1) : 0
    return later === 0 ? -1 : (hour + 1 + lowestBit(later)) * 3600 + this.#firstInHour
  }

  /** Returns the last time of day at or before `from`, or -1. `from` and the result are in seconds since midnight. */
  #previousTime(from: number): number {
    const hour = (from / 3600) | 0
    const rest = from - hour * 3600
    if (((this.#hours >>> hour) & 1) === 1) {
      const minute = (rest / 60) | 0
      let previous = this.#minutes.atOrBelow(minute)
      if (previous === minute) {
        const second = this.#seconds.atOrBelow(rest - minute * 60)
        if (second >= 0) return from - rest + minute * 60 + second
        previous = this.#minutes.atOrBelow(minute - 1)
      }
      if (previous >= 0) return from - rest + previous * 60 + this.#lastSecond
    }
    const earlier = this.#hours & ((1 << hour) - 1)
    return earlier === 0 ? -1 : highestBit(earlier) * 3600 + this.#lastInHour
  }

  #hasDay(day: number): boolean {
    if (day < this.#monthStart || day >= this.#monthEnd) {
      if (day < firstDay || day > lastDay) return false
      this.#showMonthOf(day)
    }
    return ((this.#monthDays >>> (day - this.#monthStart)) & 1) === 1
  }

  /** Returns the first matching day at or after `from`, or `Infinity`. */
  #nextDay(from: number): number {
    const day = Math.max(from, firstDay)
    if (day > lastDay) return Number.POSITIVE_INFINITY
    if (day < this.#monthStart || day >= this.#monthEnd) this.#showMonthOf(day)
    const rest = this.#monthDays >>> (day - this.#monthStart)
    if (rest !== 0) return day + lowestBit(rest)
    while (this.#showNextMonth()) {
      if (this.#monthDays !== 0) return this.#monthStart + lowestBit(this.#monthDays)
    }
    return Number.POSITIVE_INFINITY
  }

  /** Returns the last matching day at or before `from`, or `-Infinity`. */
  #previousDay(from: number): number {
    const day = Math.min(from, lastDay)
    if (day < firstDay) return Number.NEGATIVE_INFINITY
    if (day < this.#monthStart || day >= this.#monthEnd) this.#showMonthOf(day)
    const rest = this.#monthDays & ((2 << (day - this.#monthStart)) - 1)
    if (rest !== 0) return this.#monthStart + highestBit(rest)
    while (this.#showPreviousMonth()) {
      if (this.#monthDays !== 0) return this.#monthStart + highestBit(this.#monthDays)
    }
    return Number.NEGATIVE_INFINITY
  }

  #showMonthOf(day: number): void {
    const month = monthOfDay(day)
    const year = (month / 12) | 0
    this.#showMonth(year, month - year * 12 + 1)
  }

  #showMonth(year: number, month: number): void {
    const start = firstDayOfMonth(year, month)
    const length = monthLength(year, month)
    const named = ((this.#months >>> month) & 1) === 1 && (this.#years === null || this.#years.has(year))
    this.#year = year
    this.#month = month
    this.#monthStart = start
    this.#monthEnd = start + length
    this.#monthDays = named ? monthMask(this.#days, weekdayOf(start), length) : 0
  }

  /** Moves to the next month that the expression names. Returns `false` if there is none. */
  #showNextMonth(): boolean {
    let year = this.#year
    const later = this.#month < 12 ? this.#months >>> (this.#month + 1) : 0
    if (later !== 0 && (this.#years === null || this.#years.has(year))) {
      this.#showMonth(year, this.#month + 1 + lowestBit(later))
      return true
    }
    if (year < this.#firstYear) year = this.#firstYear
    else {
      do {
        year++
        if (year > this.#lastYear) return false
      } while (this.#years !== null && !this.#years.has(year))
    }
    this.#showMonth(year, lowestBit(this.#months))
    return true
  }

  /** Moves to the previous month that the expression names. Returns `false` if there is none. */
  #showPreviousMonth(): boolean {
    let year = this.#year
    const earlier = this.#months & ((1 << this.#month) - 1)
    if (earlier !== 0 && (this.#years === null || this.#years.has(year))) {
      this.#showMonth(year, highestBit(earlier))
      return true
    }
    if (year > this.#lastYear) year = this.#lastYear
    else {
      do {
        year--
        if (year < this.#firstYear) return false
      } while (this.#years !== null && !this.#years.has(year))
    }
    this.#showMonth(year, highestBit(this.#months))
    return true
  }
}

function maskOf(values: readonly number[]): number {
  let mask = 0
  for (const value of values) mask |= 1 << value
  return mask
}
