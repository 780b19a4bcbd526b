import { CliError } from './cli-error.ts'
import { instantInZone } from './zoned-instant.ts'

type Reader<T> = (text: string, earlier?: unknown) => T

/** Returns a reader that accepts any text except an empty text. */
export function readText(field: string): Reader<string> {
  return (text) => {
    if (text.trim() !== '') return text
    throw invalid('INVALID_ARGUMENT', field, text, 'is empty', 'Give a text, or leave it out.')
  }
}

/** Returns a reader that parses a whole number from `min` to `max`, without a sign. */
export function readCount(field: string, min: number, max: number): Reader<number> {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw invalid('INVALID_ARGUMENT', field, text, `is not a whole number from ${min} to ${max}`, 'Give one that is.')
  }
}

/** Returns a reader that parses a whole number from `min` to `max`, with an optional sign. */
export function readLevel(field: string, min: number, max: number): Reader<number> {
  return (text) => {
    const value = Number(text)
    if (/^[+-]?\d+$/.test(text) && value >= min && value <= max) return value
    throw invalid('INVALID_ARGUMENT', field, text, `is not a whole number from ${min} to ${max}`, 'Give one that is.')
  }
}

/** Returns a reader that parses a list: `a,b`, or one value per repetition of the option. */
export function readList<T extends string>(field: string, known?: readonly T[]): Reader<readonly T[]> {
  return (text, earlier) => {
    const values = text.split(',').map((value) => value.trim())
    const wrong = values.find((value) => value === '' || (known !== undefined && !known.includes(value as T)))
    if (wrong === undefined) return [...((earlier as readonly T[] | undefined) ?? []), ...(values as T[])]
    const remedy = known === undefined ? 'Separate them by commas.' : `Give some of ${known.join(', ')}.`
    throw invalid('INVALID_ARGUMENT', field, wrong, 'is none', remedy)
  }
}

const units: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}

const isoDuration = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/

/** Maximum length of a duration, in days. Core accepts no longer duration. */
const mostDays = 36_500

/** Returns a reader that parses durations such as `90d`, `1h30m`, `500ms` or `PT5M` to milliseconds. */
export function readDuration(field: string, min = 0): Reader<number> {
  return (text) => {
    const milliseconds = durationOf(text)
    if (milliseconds !== null && milliseconds > mostDays * 86_400_000)
      throw invalid('INVALID_DURATION', field, text, `is longer than ${mostDays} days`, 'Give a shorter one.')
    if (milliseconds !== null && milliseconds >= min) return milliseconds
    throw invalid(
      'INVALID_DURATION',
      field,
      text,
      'is not a duration',
      'Give one such as 500ms, 30s, 1h30m, 90d or PT5M.',
    )
  }
}

function durationOf(text: string): number | null {
  const iso = isoDuration.exec(text)
  if (iso?.slice(1).some((part) => part !== undefined)) {
    const [, weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = iso
    return +weeks * 604_800_000 + +days * 86_400_000 + +hours * 3_600_000 + +minutes * 60_000 + +seconds * 1000
  }
  if (text === '0') return 0
  if (!/^(\d+(\.\d+)?(ms|s|min|m|h|d|w))+$/.test(text)) return null
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|min|m|h|d|w)/g)) {
    total += Number(amount) * (units[unit as string] as number)
  }
  return Math.round(total)
}

const instant = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)? ?(Z|[+-]\d\d(?::?\d\d)?)?$/i

/**
 * Reads an instant: ISO 8601 with or without an offset, `now`, or a distance from now such as `-2h`. An instant without an
 * offset is in UTC with `--utc`, otherwise in `zone`. Without `zone`, the reader rejects an instant without an offset, because
 * a local time is ambiguous when clocks are set back.
 */
export function readInstant(
  text: string,
  {
    field,
    now,
    isUtc,
    zone,
  }: { readonly field: string; readonly now: number; readonly isUtc: boolean; readonly zone?: string },
): Date {
  if (text === 'now') return new Date(now)
  const distance = /^[+-]/.test(text) ? durationOf(text.slice(1)) : null
  if (distance !== null) {
    const date = new Date(now + (text.startsWith('-') ? -distance : distance))
    if (!Number.isNaN(date.getTime())) return date
    throw invalid('INVALID_INSTANT', field, text, 'is too far from now', 'Give a distance of at most 270000 years.')
  }
  const found = instant.exec(text)
  if (found !== null) {
    const offset = found[1]
    if (offset === undefined && !isUtc && zone === undefined) {
      throw invalid('INVALID_INSTANT', field, text, 'has no offset from UTC', `Write ${text}Z for UTC, or give --utc.`)
    }
    const date = new Date(isoOf(text, offset))
    if (!Number.isNaN(date.getTime()) && hasDay(text)) {
      if (offset !== undefined || isUtc || zone === undefined) return date
      return instantInZone(date.getTime(), zone, { field, given: text })
    }
  }
  throw invalid(
    'INVALID_INSTANT',
    field,
    text,
    'is not an instant',
    'Give one such as 2026-01-31T02:00:00Z, "2026-01-31 03:00+01:00", now, -2h or +30m.',
  )
}

/**
 * Checks that a span of time is not empty.
 * @throws CliError that names `--to`
 */
export function checkSpan(from: Date | undefined, to: Date | undefined): void {
  if (from === undefined || to === undefined || from < to) return
  const given = to.toISOString()
  throw invalid(
    'INVALID_ARGUMENT',
    '--to',
    given,
    'is not after --from',
    `Give an instant after ${from.toISOString()}.`,
  )
}

/** Returns whether the day exists in its month. `Date` itself would convert February 30 to March 2. */
function hasDay(text: string): boolean {
  const day = new Date(`${text.slice(0, 10)}T00:00Z`)
  return day.getUTCDate() === Number(text.slice(8, 10))
}

function isoOf(text: string, offset = 'Z'): string {
  const local = text
    .slice(0, text.length - (text.toUpperCase().endsWith(offset.toUpperCase()) ? offset.length : 0))
    .trim()
  const time = local.length === 10 ? `${local}T00:00` : local.replace(' ', 'T')
  const zone = /^[+-]\d\d$/.test(offset) ? `${offset}:00` : offset.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2').toUpperCase()
  return time + zone
}

function invalid(code: string, field: string, value: string, problem: string, remedy: string): CliError {
  return new CliError({ code, field, message: `${field} ${problem}: ${JSON.stringify(value)}.`, remedy })
}
