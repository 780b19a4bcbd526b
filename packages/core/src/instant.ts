import { DateTime } from 'luxon'
import { JobistemerError, printValue } from './errors.ts'
import type { InstantInput } from './schedule/schedule.ts'

export type { InstantInput } from './schedule/schedule.ts'

// What an ECMAScript Date can hold: ± 100,000,000 days around the epoch.
const limitMs = 8_640_000_000_000_000

/** Longer texts are no instants, and are refused before anything reads them: some ways to read take quadratic time. */
export const longestInstant = 100

/**
 * Epoch milliseconds of an instant given in any accepted form. A string without an offset is taken as UTC.
 * @throws JobistemerError `INVALID_INSTANT`
 */
export function toInstantMs(input: InstantInput, field = 'instant'): number {
  const milliseconds = readInstant(input)
  if (!Number.isFinite(milliseconds) || Math.abs(milliseconds) > limitMs) {
    throw new JobistemerError('INVALID_INSTANT', {
      message: `${field} is not an instant: ${printValue(input)}.`,
      field,
      value: input,
      remedy:
        'Give a valid Date, epoch milliseconds, an ISO 8601 string such as 2026-01-31T02:00:00Z (at most 100 characters) or a luxon DateTime.',
    })
  }
  return Math.trunc(milliseconds)
}

function readInstant(input: InstantInput): number {
  if (typeof input === 'number') return input
  if (typeof input === 'string') {
    if (input.length > longestInstant) return Number.NaN
    return readPlainInstant(input) ?? DateTime.fromISO(input, { zone: 'utc' }).toMillis()
  }
  try {
    if (input instanceof Date) return input.getTime()
    if (typeof input === 'object' && input !== null && typeof input.toMillis === 'function') return input.toMillis()
  } catch {
    // An object that only looks like a date.
  }
  return Number.NaN
}

const plainInstant = /^\d{4}-\d{2}-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z$/

/**
 * Epoch milliseconds of a text in the form that {@link toInstantText} writes, a hundred times as quick as luxon reads it:
 * stored schedules are full of them. `null`: it is of another form, or means no instant.
 */
function readPlainInstant(text: string): number | null {
  const day = plainInstant.exec(text)?.[1]
  if (day === undefined) return null
  const milliseconds = Date.parse(text)
  // A day that its month does not have is taken for one of the next month.
  return new Date(milliseconds).getUTCDate() === Number(day) ? milliseconds : null
}

/**
 * UTC in RFC 3339 with no fraction for whole seconds and the shortest fraction otherwise: the form that ids are made
 * from, so it never changes.
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

// Hundreds of jobs are due at one instant, and each of their ids contains its text.
let lastMs = Number.NaN
let lastText = ''

function formatInstant(milliseconds: number): string {
  const text = new Date(milliseconds).toISOString()
  if (milliseconds % 1000 === 0) return `${text.slice(0, -5)}Z`
  let end = text.length - 1
  while (text.charCodeAt(end - 1) === 48) end--
  return `${text.slice(0, end)}Z`
}
