import type { DayOfMonthRule, DayOfWeekRule, DayRule } from './day-rule.ts'
import { type FieldContext, invalidField, isUnrestricted, parseValues, splitList } from './parse-values.ts'

/**
 * Returns the days of the two day fields. A field restricts the days unless one of its entries is `*`, `?` or `*\/1`.
 * If both fields restrict the days, a day must match either field.
 * @throws JobistemerError `INVALID_SCHEDULE`
 */
export function parseDays(dayOfMonth: FieldContext, dayOfWeek: FieldContext): DayRule {
  return { dayOfMonth: parseDaysOfMonth(dayOfMonth), dayOfWeek: parseDaysOfWeek(dayOfWeek) }
}

function parseDaysOfMonth(context: FieldContext): DayOfMonthRule | null {
  const items = splitList(context)
  const plain: string[] = []
  const daysBeforeLast: number[] = []
  const nearestWeekdays: number[] = []
  let lastWeekday = false
  for (const item of items) {
    const last = /^L(?:-(\d{1,2}))?$/i.exec(item)
    const nearest = /^(\d{1,2})W$/i.exec(item)
    if (last !== null) daysBeforeLast.push(inRange(Number(last[1] ?? 0), 0, 30, item, context))
    else if (nearest !== null) nearestWeekdays.push(inRange(Number(nearest[1]), 1, 31, item, context))
    else if (/^LW$/i.test(item)) lastWeekday = true
    else plain.push(item)
  }
  const days = parseValues(plain, context)
  return items.some(isUnrestricted) ? null : { days, daysBeforeLast, nearestWeekdays, lastWeekday }
}

function parseDaysOfWeek(context: FieldContext): DayOfWeekRule | null {
  const items = splitList(context)
  const plain: string[] = []
  const nth: { weekday: number; nth: number }[] = []
  const last: number[] = []
  for (const item of items) {
    const counted = /^([a-z]{3}|\d)#(\d{1,2})$/i.exec(item)
    const lastOnes = /^([a-z]{3}|\d)L$/i.exec(item)
    if (counted !== null) {
      const number = inRange(Number(counted[2]), 1, 5, item, context)
      nth.push({ weekday: parseWeekday(counted[1] as string, context), nth: number })
    } else if (lastOnes !== null) last.push(parseWeekday(lastOnes[1] as string, context))
    else plain.push(item)
  }
  const weekdays = parseValues(plain, context)
  return items.some(isUnrestricted) ? null : { weekdays, nth, last }
}

function parseWeekday(item: string, context: FieldContext): number {
  return parseValues([item], context)[0] as number
}

function inRange(value: number, min: number, max: number, item: string, context: FieldContext): number {
  if (value >= min && value <= max) return value
  throw invalidField(context, `the number in "${item}" is not from ${min} to ${max}`)
}
