import { JobistemerError, printValue } from '@jobistemer/core'
import { isLocalTime, toZonedInstantMs } from '@jobistemer/core/schedule'
import { type Period, parsePeriod } from './period.ts'
import { PeriodSeries } from './period-series.ts'
import { ZonedCalendar } from './zoned-calendar.ts'

/** A parsed interval with its instants in a time zone. */
export interface ParsedInterval {
  readonly period: Period
  /** The number of repetitions; `null` without an end. */
  readonly repetitions: number | null
  /** The instant from which periods are counted, in epoch milliseconds. It is the end for `R/PERIOD/END`, else the start. */
  readonly anchorMs: number
  /** The text from which `anchorMs` was parsed, unchanged. Descriptions of the schedule contain this text. */
  readonly anchorText: string
  /** `true` for `R/duration/end`, which counts back from the end. */
  readonly isBackward: boolean
  readonly series: PeriodSeries
}

const msPerDay = 86_400_000
const bareAnchor = '1970-01-01T00:00:00'
const mostRepetitions = 1_000_000_000_000

/**
 * Parses an interval. `start` is the anchor of a bare period.
 * @throws JobistemerError `INVALID_SCHEDULE`, `SCHEDULE_NEVER_FIRES` for 0 repetitions
 */
export function parseInterval(interval: string, timezone: string, start: string | undefined): ParsedInterval {
  // Splits at slashes outside of brackets, because the name of a time zone in brackets contains a slash.
  const parts = interval.split(/\/(?![^[]*\])/)
  const isRepeating = /^R/.test(parts[0] as string)
  const repetitions = isRepeating ? parseRepetitions(parts.shift() as string, interval) : null
  const [first = '', second, ...rest] = parts
  if (rest.length > 0) throw invalidInterval(interval, 'has too many parts')
  if (!isRepeating && second !== undefined) throw invalidInterval(interval, 'is not repeated', 'Put R/ in front of it.')
  const calendar = new ZonedCalendar(timezone)

  if (second === undefined) {
    if (!isDuration(first)) throw invalidInterval(interval, 'has no period')
    if (start === undefined && repetitions !== null) {
      throw invalidInterval(interval, 'is counted but has no start', 'Give { start } or R5/START/PERIOD.')
    }
    const anchorText = start ?? bareAnchor
    return assemble({ ...anchorAt(anchorText), period: parsePeriod(first, interval), isBackward: false })
  }
  if (isDuration(first)) {
    if (isDuration(second)) throw invalidInterval(interval, 'has two durations')
    return assemble({ ...anchorAt(second), period: parsePeriod(first, interval), isBackward: true })
  }
  const anchor = anchorAt(first)
  const period = isDuration(second) ? parsePeriod(second, interval) : periodBetween(anchor, anchorAt(second), interval)
  return assemble({ ...anchor, period, isBackward: false })

  function anchorAt(text: string): Anchor {
    return parseAnchor(text, interval, timezone, calendar)
  }

  function assemble(parsed: Anchor & { readonly period: Period; readonly isBackward: boolean }): ParsedInterval {
    const { anchorMs, anchorLocalMs, anchorText, period, isBackward } = parsed
    const length = repetitions === null ? Number.POSITIVE_INFINITY : repetitions - 1
    const series = new PeriodSeries({
      anchorMs,
      anchorLocalMs,
      period,
      calendar,
      first: isBackward ? -length : 0,
      last: isBackward ? 0 : length,
    })
    return { period, repetitions, anchorMs, anchorText, isBackward, series }
  }
}

interface Anchor {
  readonly anchorMs: number
  readonly anchorLocalMs: number
  readonly anchorText: string
}

function isDuration(text: string): boolean {
  return /^[+-]?P/.test(text)
}

function parseRepetitions(text: string, interval: string): number | null {
  const match = /^R(\d*|-1)$/.exec(text)
  if (match === null) throw invalidInterval(interval, `has no count that can be read: ${printValue(text)}`)
  const [, digits = ''] = match
  if (digits === '' || digits === '-1') return null
  const repetitions = Number(digits)
  if (repetitions > mostRepetitions) throw invalidInterval(interval, 'is repeated more than a million million times')
  if (repetitions > 0) return repetitions
  throw new JobistemerError('SCHEDULE_NEVER_FIRES', {
    message: `The interval ${printValue(interval)} is repeated 0 times.`,
    field: 'interval',
    value: interval,
    remedy: 'R1 fires once, R5 five times, R without end.',
  })
}

function parseAnchor(text: string, interval: string, timezone: string, calendar: ZonedCalendar): Anchor {
  try {
    const anchorMs = toZonedInstantMs(text, timezone, 'interval')
    // The text may be a local time that the clock skips on the anchor's day. The local time of `anchorMs` is then later
    // than the text. But on other days, the clock shows the local time of the text. So the series adds periods to the
    // local time of the text, not to that of `anchorMs`.
    const anchorLocalMs = isLocalTime(text) ? toZonedInstantMs(text, 'UTC', 'interval') : calendar.localAt(anchorMs)
    return { anchorMs, anchorLocalMs, anchorText: text }
  } catch (error) {
    throw new JobistemerError('INVALID_SCHEDULE', {
      message: `The instant ${printValue(text)} of the interval ${printValue(interval)} cannot be read.`,
      field: 'interval',
      value: text,
      remedy: 'Give an ISO 8601 instant such as 2026-01-31T00:00:00, with Z or an offset if it is not a local time.',
      cause: error,
    })
  }
}

/** Returns the period from `start` to `end`: whole days if both have the same time of day, else the exact duration. */
function periodBetween(start: Anchor, end: Anchor, interval: string): Period {
  const length = end.anchorMs - start.anchorMs
  if (length <= 0) throw invalidInterval(interval, 'ends before it begins')
  const localLength = end.anchorLocalMs - start.anchorLocalMs
  if (localLength > 0 && localLength % msPerDay === 0) {
    return { months: 0, days: localLength / msPerDay, milliseconds: 0 }
  }
  return { months: 0, days: 0, milliseconds: length }
}

function invalidInterval(
  interval: string,
  what: string,
  remedy = 'Give R/START/PERIOD, R5/START/PERIOD, R/START/END, R/PERIOD/END or a period such as PT6H.',
): JobistemerError {
  return new JobistemerError('INVALID_SCHEDULE', {
    message: `The interval ${printValue(interval)} ${what}.`,
    field: 'interval',
    value: interval,
    remedy,
  })
}
