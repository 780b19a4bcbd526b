import { DateTime, FixedOffsetZone, IANAZone } from 'luxon'
import type { InstantInput } from './schedule/schedule.ts'
import { longestReadable } from './tuning.ts'
import { invalidValue } from './errors.ts'

export type { InstantInput } from './schedule/schedule.ts'

/**
 * Returns the epoch milliseconds of an instant in any accepted form. A string is ISO 8601 with a complete date. Without an
 * offset it is UTC.
 *
 * A time zone in brackets may follow an offset or a `Z`, as in `2026-06-01T09:00+09:00[Asia/Tokyo]`. The zone must then have
 * that offset.
 * @throws JobistemerError `INVALID_INSTANT`
 */
export function toInstantMs(input: InstantInput, field = 'instant'): number {
  const milliseconds = readInstant(input)
  if (!isInstantMs(milliseconds)) {
    throw invalidValue(
      field,
      'is not an instant',
      input,
      'Give a valid Date, epoch milliseconds, an ISO 8601 string with a whole date such as 2026-01-31T02:00:00Z (at most 100 characters) or a luxon DateTime.',
      'INVALID_INSTANT',
    )
  }
  return Math.trunc(milliseconds)
}

/** Returns whether a `Date` can hold the instant: at most 100,000,000 days before or after the epoch. */
export function isInstantMs(milliseconds: number): boolean {
  return Math.abs(milliseconds) <= 8_640_000_000_000_000
}

/** Converts epoch milliseconds to a `Date`, and `null` to `null`. */
export function dateOf(milliseconds: number | null): Date | null {
  return milliseconds === null ? null : new Date(milliseconds)
}

function readInstant(input: InstantInput): number {
  if (typeof input === 'number') return input
  if (typeof input === 'string') {
    if (input.length > longestReadable) return Number.NaN
    return readPlainInstant(input) ?? readText(input)
  }
  try {
    if (input instanceof Date) return input.getTime()
    if (typeof input === 'object' && input !== null && typeof input.toMillis === 'function') return input.toMillis()
  } catch {
    // `getTime` or `toMillis` of the value has thrown. Ignore the error, because the code below rejects the value.
  }
  return Number.NaN
}

const plainInstant = /^\d{4}-\d{2}-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z$/

/**
 * Parses a text in the form that {@link toInstantText} writes, to epoch milliseconds. Stored schedules contain many such
 * texts, and luxon is a hundred times slower. Returns `null` for another form or an invalid instant.
 */
function readPlainInstant(text: string): number | null {
  const day = plainInstant.exec(text)?.[1]
  if (day === undefined) return null
  const milliseconds = Date.parse(text)
  // `Date.parse` moves a day beyond the end of its month into the next month, so compare the day.
  return new Date(milliseconds).getUTCDate() === Number(day) ? milliseconds : null
}

// Forms of a complete date: 2026-01-31, 20260131, with a signed year of six digits, 2026-W05-6, 2026W056, 2026-031 or 2026031.
const wholeDate = /^(?:(?:\d{4}|[+-]\d{6})(?:-\d{2}-\d{2}|\d{4})|\d{4}(?:-W\d{2}-\d|W\d{3}|-?\d{3}))(?:T|$)/i
// luxon also accepts offsets that no place has, such as +99:99.
const impossibleOffset = /T.*[+-](?:(?:1[5-9]|[2-9]\d)(?::?\d{2})?|\d{2}:?[6-9]\d)$/i
const offsetAtEnd = /T.*(?:Z|[+-]\d{2}(?::?\d{2})?)$/i

/**
 * Parses ISO 8601, with or without a time zone in brackets (RFC 9557), to epoch milliseconds. Returns `NaN` for a text that is
 * no instant.
 */
function readText(text: string): number {
  const [, plain = text, zone] = /^([^[]*)\[([^[\]]*)\]$/.exec(text) ?? []
  // luxon completes a partial date with the date of today, so the text would mean another instant each day. Partial dates
  // are invalid.
  if (!wholeDate.test(plain) || impossibleOffset.test(plain)) return Number.NaN
  const time = DateTime.fromISO(plain, { zone: 'utc', setZone: true })
  if (zone === undefined || (hasOffset(plain) && agrees(time, zone, plain))) return time.toMillis()
  return Number.NaN
}

/** Returns whether an ISO 8601 text ends with `Z` or an offset. */
export function hasOffset(text: string): boolean {
  return offsetAtEnd.test(text)
}

/**
 * Returns whether the offset of a time is the offset of its time zone. `Z` means an unknown offset (RFC 9557), which agrees
 * with any zone.
 */
function agrees(time: DateTime, name: string, text: string): boolean {
  // The name in brackets may itself be an offset, such as `+02:00`.
  const fixed = FixedOffsetZone.parseSpecifier(/^[+-]/.test(name) ? `UTC${name}` : name) as FixedOffsetZone | null
  const zone = fixed ?? IANAZone.create(name)
  return zone.isValid && (/z$/i.test(text) || zone.offset(time.toMillis()) === time.offset)
}

/**
 * Prints an instant in UTC as RFC 3339: whole seconds without a fraction, other instants with the shortest fraction. Ids derive
 * from this form, so it must never change.
 *
 * @throws JobistemerError `INVALID_INSTANT`
 */
export function toInstantText(input: InstantInput): string {
  const milliseconds = toInstantMs(input)
  if (milliseconds !== lastMs) {
    lastText = formatInstant(milliseconds)
    lastMs = milliseconds
  }
  return lastText
}

// Cache of the last printed instant, because hundreds of jobs may be due at one instant.
let lastMs = Number.NaN
let lastText = ''

function formatInstant(milliseconds: number): string {
  const text = new Date(milliseconds).toISOString()
  if (milliseconds % 1000 === 0) return `${text.slice(0, -5)}Z`
  let end = text.length - 1
  while (text.charCodeAt(end - 1) === 48) end--
  return `${text.slice(0, end)}Z`
}
