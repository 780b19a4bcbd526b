import { JobistemerError, printValue } from '@jobistemer/core'
import { Duration } from 'luxon'

/** The length of a step: a calendar part that keeps the time of day, and an exact part. Always positive. */
export interface Period {
  /** The number of months. A year counts as 12 months. */
  readonly months: number
  /** The number of days. A week counts as 7 days. */
  readonly days: number
  readonly milliseconds: number
}

const msPerDay = 86_400_000

// The maximum period. It is longer than the span from year 1 to year 9999, which contains all instants.
const longest: Period = { months: 120_000, days: 3_660_000, milliseconds: 3_660_000 * msPerDay }

// Matches seconds with more than three decimal digits, which luxon would ignore.
const finerSeconds = /[.,]\d{3}0*[1-9]\d*S$/

/**
 * Parses an ISO 8601 duration such as `P1M`, `P3W`, `P1DT12H` or `PT0.5S`.
 * @throws JobistemerError `INVALID_SCHEDULE`
 */
export function parsePeriod(text: string, interval: string): Period {
  const duration = Duration.fromISO(text)
  if (!duration.isValid) throw invalidPeriod(text, interval, 'it is no ISO 8601 duration')
  const {
    years = 0,
    months = 0,
    weeks = 0,
    days = 0,
    hours = 0,
    minutes = 0,
    seconds = 0,
    milliseconds = 0,
  } = duration.toObject()
  const parts = [years, months, weeks, days, hours, minutes, seconds, milliseconds]
  if (parts.some((part) => part < 0)) throw invalidPeriod(text, interval, 'it is negative')
  if (![years, months, weeks, days].every(Number.isInteger)) {
    throw invalidPeriod(text, interval, 'years, months, weeks and days have no fractions')
  }
  const period: Period = {
    months: years * 12 + months,
    days: weeks * 7 + days,
    milliseconds: hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + milliseconds,
  }
  // Rounds, because 0.1 s + 0.2 s is not exactly 300 ms in floating point.
  const rounded = { ...period, milliseconds: Math.round(period.milliseconds) }
  const isRoundedAway = rounded.milliseconds === 0 && period.milliseconds !== 0
  if (finerSeconds.test(text) || isRoundedAway || Math.abs(rounded.milliseconds - period.milliseconds) > 1e-3) {
    throw invalidPeriod(text, interval, 'it is finer than milliseconds')
  }
  if (averageMs(rounded) === 0) throw invalidPeriod(text, interval, 'it has no length')
  if (rounded.months > longest.months || rounded.days > longest.days || rounded.milliseconds > longest.milliseconds) {
    throw invalidPeriod(text, interval, 'it is longer than 10,000 years')
  }
  return rounded
}

/** Returns the average length of a period in ms, over 400 years. */
export function averageMs({ months, days, milliseconds }: Period): number {
  return (months * (146_097 / 4800) + days) * msPerDay + milliseconds
}

/** Describes a period for the text after `every`: `day`, `3 weeks`, `1 month and 12 hours`. */
export function describePeriod({ months, days, milliseconds }: Period): string {
  const isWeeks = days % 7 === 0
  const isYears = months % 12 === 0
  const seconds = Math.floor(milliseconds / 1000)
  const parts = [
    amount(isYears ? months / 12 : months, isYears ? 'year' : 'month'),
    amount(isWeeks ? days / 7 : days, isWeeks ? 'week' : 'day'),
    amount(Math.floor(seconds / 3600), 'hour'),
    amount(Math.floor(seconds / 60) % 60, 'minute'),
    amount(seconds % 60, 'second'),
    amount(milliseconds % 1000, 'millisecond'),
  ].filter((part) => part !== '')
  const [only = ''] = parts
  if (parts.length === 1) return only.replace(/^1 /, '')
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

function amount(count: number, unit: string): string {
  return count === 0 ? '' : `${count} ${unit}${count === 1 ? '' : 's'}`
}

function invalidPeriod(text: string, interval: string, why: string): JobistemerError {
  return new JobistemerError('INVALID_SCHEDULE', {
    message: `The period ${printValue(text)} of the interval ${printValue(interval)} cannot be used: ${why}.`,
    field: 'interval.period',
    value: text,
    remedy: 'Give a length such as P1M, P3W, P1DT12H or PT0.5S.',
  })
}
