import type { DayOfMonthRule, DayOfWeekRule, DayRule } from './day-rule.ts'
import type { CronFields } from './local-times.ts'

const weekdayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
const ordinals = ['first', 'second', 'third', 'fourth', 'fifth']

// Maximum number of times of day that a description lists, such as `at 09:30 and 12:30`. Descriptions of expressions
// with more times of day name the minutes and the hours.
const mostTimesOfDay = 6

/** Describes an expression in words: `at 09:30 on Monday to Friday`. */
export function describeFields(fields: CronFields): string {
  const { days, months, years } = fields
  const parts = [describeTimes(fields)]
  if (months.length === 12) parts.push(describeDays(days, ' of the month'))
  else {
    const names = listOf(rangesOf(months, (month) => monthNames[month - 1] as string))
    // Without weekdays, the month follows the day directly: 'on day 29 of February'. With weekdays, the month comes last: 'on
    // day 1 of the month or on Monday, in May'.
    if (days.dayOfWeek === null) parts.push(describeDays(days, ` of ${names}`))
    else parts.push(`${describeDays(days, ' of the month')}${days.dayOfMonth === null ? '' : ','}`)
    if (days.dayOfWeek !== null || days.dayOfMonth === null) parts.push(`in ${names}`)
  }
  if (years !== null) parts.push(`in ${listOf(rangesOf(years, String))}`)
  return parts.filter((part) => part !== '').join(' ')
}

function describeTimes(fields: CronFields): string {
  const { seconds, minutes, hours } = fields
  if (seconds.length === 1 && minutes.length * hours.length <= mostTimesOfDay) return `at ${timesOfDay(fields)}`
  const units: Unit[] = [
    { name: 'second', values: seconds, count: 60 },
    { name: 'minute', values: minutes, count: 60 },
    { name: 'hour', values: hours, count: 24 },
  ]
  if (isZero(seconds)) units.shift()
  if (isZero(seconds) && isZero(minutes) && stepOf(units[1] as Unit) !== null) units.shift()
  const [finest, ...coarser] = units as [Unit, ...Unit[]]
  const words = [stepOf(finest) === null ? `at ${wordsOf(finest)}` : wordsOf(finest)]
  let previous = finest
  for (const unit of coarser) {
    // After a step such as 'every minute', omits 'of every hour': 'every minute' already includes every hour.
    if (stepOf(previous) === null || unit.values.length < unit.count)
      words.push(unit.values.length === unit.count ? wordsOf(unit) : listWords(unit))
    previous = unit
  }
  return words.join(' of ')
}

interface Unit {
  readonly name: string
  readonly values: readonly number[]
  readonly count: number
}

function timesOfDay({ seconds, minutes, hours }: CronFields): string {
  const second = seconds[0] as number
  const times = hours.flatMap((hour) =>
    minutes.map((minute) => `${twoDigits(hour)}:${twoDigits(minute)}${second === 0 ? '' : `:${twoDigits(second)}`}`),
  )
  return listOf(times)
}

/** Returns the values of a unit in words: `every minute`, `every 5 minutes`, `minutes 5, 10 and 20 to 25`. */
function wordsOf(unit: Unit): string {
  const step = stepOf(unit)
  if (step === null) return listWords(unit)
  return step === 1 ? `every ${unit.name}` : `every ${step} ${unit.name}s`
}

function listWords({ name, values }: Unit): string {
  return `${name}${values.length === 1 ? '' : 's'} ${listOf(rangesOf(values, String))}`
}

/**
 * Returns the step of values that are evenly spaced over the whole unit, such as an hour. Returns `null` for other
 * values.
 */
function stepOf({ values, count }: Unit): number | null {
  const step = count / values.length
  if (values.length < 2 || !Number.isInteger(step)) return null
  return values.every((value, index) => value === index * step) ? step : null
}

function isZero(values: readonly number[]): boolean {
  return values.length === 1 && values[0] === 0
}

function describeDays({ dayOfMonth, dayOfWeek }: DayRule, ofMonth: string): string {
  const parts = []
  if (dayOfMonth !== null) parts.push(`on ${describeDaysOfMonth(dayOfMonth)}${ofMonth}`)
  if (dayOfWeek !== null) parts.push(`on ${describeDaysOfWeek(dayOfWeek)}`)
  return parts.join(' or ')
}

function describeDaysOfMonth(rule: DayOfMonthRule): string {
  const parts = []
  if (rule.days.length > 0) parts.push(`day${rule.days.length === 1 ? '' : 's'} ${listOf(rangesOf(rule.days, String))}`)
  for (const day of rule.nearestWeekdays) parts.push(`the weekday nearest to day ${day}`)
  for (const before of rule.daysBeforeLast) {
    parts.push(before === 0 ? 'the last day' : `day ${before} before the last`)
  }
  if (rule.lastWeekday) parts.push('the last weekday')
  return listOf(parts)
}

function describeDaysOfWeek(rule: DayOfWeekRule): string {
  const name = (weekday: number): string => weekdayNames[weekday] as string
  const parts = rangesOf(rule.weekdays, name)
  for (const { weekday, nth } of rule.nth) parts.push(`the ${ordinals[nth - 1]} ${name(weekday)} of the month`)
  for (const weekday of rule.last) parts.push(`the last ${name(weekday)} of the month`)
  return listOf(parts)
}

/** Describes numbers in words. Three or more successive numbers become a range. */
function rangesOf(values: readonly number[], name: (value: number) => string): string[] {
  const parts: string[] = []
  for (let index = 0; index < values.length; ) {
    let last = index
    while (values[last + 1] === (values[last] as number) + 1) last++
    if (last - index >= 2) {
      parts.push(`${name(values[index] as number)} to ${name(values[last] as number)}`)
      index = last + 1
    } else {
      parts.push(name(values[index] as number))
      index++
    }
  }
  return parts
}

function listOf(parts: readonly string[]): string {
  if (parts.length < 2) return parts[0] ?? ''
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
