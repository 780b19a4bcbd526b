import { CronExpressionParser } from 'cron-parser'
import { JobistemerError, printValue } from '@jobistemer/core'
import { type Field, type FieldName, fields } from './field.ts'
import { hashedNumber } from './hash.ts'

/** A field of an expression, for error messages, and the job from which `H` derives its number. */
export interface FieldContext {
  readonly field: Field
  readonly text: string
  readonly expression: string
  /** The name of the job. `null` before the schedule is bound to a job: `H` then means its least value. */
  readonly jobName: string | null
}

// Matches a value, a name or a range, with an optional step. Stricter than cron-parser, which reads JANFEB as 12.
const plainItem = /^(?:[*?]|(?:\d{1,4}|[a-z]{3})(?:-(?:\d{1,4}|[a-z]{3}))?)(?:\/\d{1,4})?$/i
const hashedItem = /^H(?:\((\d{1,4})-(\d{1,4})\))?(?:\/(\d{1,4}))?$/

/** Returns whether a field contains an `H`, so that the schedule depends on the job's name. */
export function hasHash(texts: Readonly<Record<FieldName, string>>): boolean {
  return Object.values(texts).some((text) => text.split(',').some((item) => hashedItem.test(item)))
}

const fullNames: Partial<Readonly<Record<FieldName, RegExp>>> = {
  month: /january|february|march|april|june|july|august|september|october|november|december/gi,
  dayOfWeek: /sunday|monday|tuesday|wednesday|thursday|friday|saturday/gi,
}
const weekdayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/**
 * Splits a field's list into items, and shortens names to three letters.
 * @throws JobistemerError `INVALID_SCHEDULE` for an empty item
 */
export function splitList(context: FieldContext): readonly string[] {
  const names = fullNames[context.field.name]
  const text = names === undefined ? context.text : context.text.replaceAll(names, (name) => name.slice(0, 3))
  const items = text.split(',')
  if (items.includes('')) throw invalidField(context, 'a list has an empty entry')
  return items
}

/**
 * Returns the values of all items of a list, in ascending order.
 * @throws JobistemerError `INVALID_SCHEDULE`
 */
export function parseValues(items: readonly string[], context: FieldContext): readonly number[] {
  const [only = ''] = items
  if (items.length === 1) return parseItem(only, 0, context)
  const values = new Set<number>()
  items.forEach((item, place) => {
    for (const value of parseItem(item, place, context)) values.add(value)
  })
  return [...values].sort((left, right) => left - right)
}

/** Returns whether an item includes every value: `*`, `?`, or a step of 1. */
export function isUnrestricted(item: string): boolean {
  return /^[*?](?:\/0*1)?$/.test(item)
}

/** Returns the error for an invalid field. The message names the field and its accepted values. */
export function invalidField(context: FieldContext, why: string, cause?: unknown): JobistemerError {
  const { field, text, expression } = context
  return new JobistemerError('INVALID_SCHEDULE', {
    message: `The ${field.title} field ${printValue(text)} of the cron expression ${printValue(expression)} cannot be read: ${why}.`,
    field: `expression.${field.name}`,
    value: text,
    remedy: `It takes ${field.takes}.`,
    cause,
  })
}

function parseItem(item: string, place: number, context: FieldContext): readonly number[] {
  const hashed = hashedItem.exec(item)
  if (hashed !== null) return parseHashed(hashed, place, context)
  if (!plainItem.test(item)) throw invalidField(context, `${printValue(item)} is no value, range or step`)
  if (item.startsWith('?') && context.field.name !== 'dayOfMonth' && context.field.name !== 'dayOfWeek') {
    throw invalidField(context, '? belongs to days only')
  }
  assertStep(item, context)
  return context.field.name === 'year' ? parseYears(item, context) : parsePlain(item, context)
}

/** Rejects a step that exceeds the field: `*\/90` in minutes would surprisingly mean minute 0. */
function assertStep(item: string, context: FieldContext): void {
  const [, every] = item.split('/')
  if (every === undefined) return
  const { min, max } = context.field
  const size = max - min + 1
  const step = Number(every)
  if (step >= 1 && step <= size) return
  throw invalidField(context, `the step of ${printValue(item)} is not from 1 to ${size}`)
}

function parseHashed(match: RegExpExecArray, place: number, context: FieldContext): readonly number[] {
  const { field, jobName } = context
  if (field.name === 'year') throw invalidField(context, 'H has no meaning for years')
  const [item, from, to, every] = match
  const min = from === undefined ? field.min : Number(from)
  const max = to === undefined ? field.hashMax : Number(to)
  const step = every === undefined ? null : Number(every)
  if (min > max || min < field.min || max > field.max) {
    throw invalidField(context, `${printValue(item)} is not a range within ${field.min}-${field.max}`)
  }
  if (step !== null && (step < 1 || step > max - min + 1)) {
    throw invalidField(context, `the step of ${printValue(item)} is not from 1 to ${max - min + 1}`)
  }
  const count = step ?? max - min + 1
  const first = min + (jobName === null ? 0 : hashedNumber(jobName, field.name, place, count))
  if (step === null) return [first]
  const values = []
  for (let value = first; value <= max; value += step) values.push(value)
  return values
}

function parseYears(item: string, context: FieldContext): readonly number[] {
  const { field } = context
  const [range = '', every] = item.split('/')
  const [from = '', to] = range.split('-')
  const min = from === '*' ? field.min : Number(from)
  const max = to !== undefined ? Number(to) : from === '*' || every !== undefined ? field.max : min
  const step = every === undefined ? 1 : Number(every)
  if (!Number.isInteger(min) || !Number.isInteger(max) || min > max || min < field.min || max > field.max) {
    throw invalidField(context, `${printValue(item)} is not within ${field.min}-${field.max}`)
  }
  const years = []
  for (let year = min; year <= max; year += step) years.push(year)
  return years
}

// Cache of parsed items: cron-parser takes 0.1 ms per item, and thousands of jobs share a few dozen items.
const parsed = new Map<string, readonly number[]>()
const parsedLimit = 2000

function parsePlain(item: string, context: FieldContext): readonly number[] {
  const { field } = context
  const key = `${field.name} ${item.toLowerCase()}`
  const known = parsed.get(key)
  if (known !== undefined) return known
  let values: readonly number[]
  try {
    values = (field.name === 'dayOfWeek' ? wrappedWeekdays(item) : null) ?? readWithCronParser(field.name, item)
  } catch (error) {
    throw invalidField(context, error instanceof Error ? error.message : String(error), error)
  }
  if (parsed.size >= parsedLimit) parsed.clear()
  parsed.set(key, values)
  return values
}

function readWithCronParser(name: FieldName, item: string): readonly number[] {
  // Parses one field at a time, so that the error message can name the field.
  const texts: Record<string, string> = {
    second: '0',
    minute: '0',
    hour: '0',
    dayOfMonth: '*',
    month: '*',
    dayOfWeek: '*',
  }
  texts[name] = name === 'dayOfWeek' ? weekdayItem(item) : item
  const expression = CronExpressionParser.parse(Object.values(texts).join(' '), {
    // Fixed values, so that cron-parser does not read the machine's clock and time zone. These values do not affect the
    // result.
    currentDate: new Date(0),
    tz: 'UTC',
  })
  const values = expression.fields[name as Exclude<FieldName, 'year'>].values.map(Number)
  if (name !== 'dayOfWeek') return values
  return [...new Set(values.map((value) => value % 7))].sort((left, right) => left - right)
}

/**
 * Adds the end 6 (Saturday) to a weekday step that has no end. Without this end, cron-parser would count to 7 (Sunday).
 * `1/2` would then match Sunday as well as Monday, Wednesday and Friday.
 */
function weekdayItem(item: string): string {
  const [range = '', every] = item.split('/')
  if (range.includes('-') || every === undefined) return item
  const { min, max } = fields.dayOfWeek
  return /^[*?]$/.test(range) ? `${min}-${max}/${every}` : `${range}-${max}/${every}`
}

/**
 * Returns the days of a range that passes the end of the week, such as `FRI-MON` or `FRI-SUN`. Returns `null` for any
 * other item.
 */
function wrappedWeekdays(item: string): readonly number[] | null {
  const [range = '', every = '1'] = item.split('/')
  const [from = Number.NaN, to = Number.NaN] = range.split('-').map(weekdayNumber)
  if (!(from > to) || from > 7) return null
  const days = []
  for (let day = from; day <= to + 7; day += Number(every)) days.push(day % 7)
  return days.sort((left, right) => left - right)
}

function weekdayNumber(text: string): number {
  const named = weekdayNames.indexOf(text.toLowerCase())
  return named === -1 ? Number(text) : named
}
