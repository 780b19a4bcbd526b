import { Duration } from 'luxon'
import { dayMs, longestReadable } from './tuning.ts'
import { invalidValue } from './errors.ts'

const partMs = {
  weeks: 604_800_000,
  days: 86_400_000,
  hours: 3_600_000,
  minutes: 60_000,
  seconds: 1000,
  milliseconds: 1,
}

/**
 * A duration in parts: weeks of 7 days, days of 24 hours whatever the time zone, hours, minutes, seconds and milliseconds. Each
 * part may be a fraction; the sum is rounded to milliseconds. Months and years have no fixed length and are not accepted.
 */
export type DurationParts = { readonly [Part in keyof typeof partMs]?: number }

/** A length of time: milliseconds, parts such as `{ minutes: 5 }`, or ISO 8601 such as `PT5M`. A day has 24 hours. */
export type DurationInput = number | string | DurationParts

/** Lowest and highest accepted duration, in milliseconds. */
export interface DurationBounds {
  /** Lowest accepted duration. Default 0. */
  readonly min?: number
  /** Highest accepted duration. Default 100 years. */
  readonly max?: number
}

/**
 * Converts a duration in any accepted form to milliseconds.
 * @throws JobistemerError `INVALID_DURATION`
 */
export function toDurationMs(input: DurationInput, field = 'duration', bounds: DurationBounds = {}): number {
  const min = bounds.min ?? 0
  const max = bounds.max ?? 36_500 * dayMs
  const milliseconds = readDuration(input)
  if (Number.isFinite(milliseconds) && milliseconds >= min && milliseconds <= max) return Math.round(milliseconds)
  const range = min > 0 ? `of at least ${min} ms` : 'not below 0'
  throw invalidValue(
    field,
    `is not a duration ${range}${milliseconds > max ? ` and at most ${max} ms` : ''}`,
    input,
    'Give milliseconds, parts such as { minutes: 5 }, or ISO 8601 such as "PT5M" without months and years, in at most 100 characters.',
    'INVALID_DURATION',
  )
}

function readDuration(input: DurationInput): number {
  if (typeof input === 'number') return input
  if (typeof input === 'string') {
    if (input.length > longestReadable) return Number.NaN
    const duration = Duration.fromISO(input)
    return duration.isValid && duration.months === 0 && duration.years === 0 ? duration.toMillis() : Number.NaN
  }
  if (typeof input !== 'object' || input === null) return Number.NaN
  let total = 0
  const names = Object.keys(input)
  for (const name of names) {
    const unit: number | undefined = partMs[name as keyof DurationParts]
    const value = input[name as keyof DurationParts]
    if (unit === undefined || typeof value !== 'number') return Number.NaN
    total += unit * value
  }
  return names.length === 0 ? Number.NaN : total
}
