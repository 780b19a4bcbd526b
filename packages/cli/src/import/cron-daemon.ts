import { CliError } from '../cli-error.ts'
import { offsetAt, offsetChanges } from './offset-changes.ts'
import { dayMs, hourMs, minuteMs } from './units.ts'

/** The fields of a line of a crontab. */
export interface CronLine {
  readonly minutes: ReadonlySet<number>
  readonly hours: ReadonlySet<number>
  readonly days: ReadonlySet<number>
  readonly months: ReadonlySet<number>
  readonly weekdays: ReadonlySet<number>
  /** A day field begins with `*`: then both day fields have to match. */
  readonly needsBothDays: boolean
  /** The minute or the hour begins with `*`: the line follows elapsed time when clocks change. */
  readonly followsElapsedTime: boolean
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** Reads five fields as the cron daemon does. @throws CliError for a line that the daemon ignores */
export function readCronLine(expression: string): CronLine {
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = expression.split(' ')
  const read = readFieldOf(expression)
  return {
    minutes: read(minute, 0, 59),
    hours: read(hour, 0, 23),
    days: read(day, 1, 31),
    months: read(month, 1, 12, months, 1),
    weekdays: new Set([...read(weekday, 0, 7, weekdays, 0)].map((value) => value % 7)),
    needsBothDays: day.startsWith('*') || weekday.startsWith('*'),
    followsElapsedTime: minute.startsWith('*') || hour.startsWith('*'),
  }
}

function readFieldOf(expression: string) {
  return (field: string, min: number, max: number, names: readonly string[] = [], first = 0): ReadonlySet<number> => {
    const numberOf = (text: string): number => {
      const index = names.indexOf(text.toLowerCase().slice(0, 3))
      const value = index === -1 ? Number(text) : index + first
      if ((index === -1 && !/^\d+$/.test(text)) || value < min || value > max) throw ignored(expression, field)
      return value
    }
    const values = new Set<number>()
    for (const part of field.split(',')) {
      const [, range = '', step = '1'] = /^([^/]+)(?:\/(\d+))?$/.exec(part) ?? []
      const [low = '', high] = range === '*' ? [String(min), String(max)] : range.split(/[-~]/)
      // In cronie, ~ alone, or without an end, stands for the whole field.
      const from = low === '' && range.includes('~') ? min : numberOf(low)
      const to =
        high === undefined ? (step === '1' || !part.includes('/') ? from : max) : high === '' ? max : numberOf(high)
      if (from > to || Number(step) === 0) throw ignored(expression, field)
      for (let value = from; value <= to; value += Number(step)) values.add(value)
    }
    return values
  }
}

function ignored(expression: string, field: string): CliError {
  return new CliError({
    code: 'INVALID_SCHEDULE',
    field: 'expression',
    message: `cron ignores the expression ${JSON.stringify(expression)}, because of ${JSON.stringify(field)}.`,
  })
}

/**
 * The instants at which the daemon starts a line, after `afterMs`. This is the algorithm of Vixie's cron and its descendants:
 * the daemon wakes each minute and compares the local time. After a jump ahead it runs the skipped fixed times at once. After
 * a jump back it does not repeat fixed times.
 */
export function* cronInstants(line: CronLine, timezone: string, afterMs: number): Generator<number, void> {
  for (let start = afterMs; ; start += 366 * dayMs) {
    const end = start + 366 * dayMs
    const changes = offsetChanges(timezone, start - dayMs, end)
    let offset = offsetAt(timezone, start)
    for (let at = (Math.floor(start / minuteMs) + 1) * minuteMs; at <= end; at += minuteMs) {
      const change = changes.find((one) => one.at === at)
      if (change !== undefined) offset = offsetAt(timezone, at)
      const last = changes.findLast((one) => one.at <= at)
      // The clock has not yet passed the time that it showed before the last jump back.
      const isRepeated = last !== undefined && last.byMs < 0 && at < last.at - last.byMs
      const jumpMs = change !== undefined && change.byMs > 0 && change.byMs <= 3 * hourMs ? change.byMs : 0
      let runs = matches(line, at + offset) && (line.followsElapsedTime || !isRepeated)
      for (let skipped = jumpMs; !runs && skipped > 0 && !line.followsElapsedTime; skipped -= minuteMs) {
        runs = matches(line, at + offset - skipped)
      }
      if (runs) yield at
      else if (!matchesDay(line, at + offset) && !hasChangeNear(changes, at))
        at = endOfDay(at + offset) - offset - minuteMs
    }
  }
}

function hasChangeNear(changes: readonly { readonly at: number }[], at: number): boolean {
  return changes.some((change) => Math.abs(change.at - at) <= 2 * dayMs)
}

function endOfDay(localMs: number): number {
  return (Math.floor(localMs / dayMs) + 1) * dayMs
}

function matches(line: CronLine, localMs: number): boolean {
  const local = new Date(localMs)
  return line.minutes.has(local.getUTCMinutes()) && line.hours.has(local.getUTCHours()) && matchesDay(line, localMs)
}

function matchesDay({ days, months, weekdays, needsBothDays }: CronLine, localMs: number): boolean {
  const local = new Date(localMs)
  if (!months.has(local.getUTCMonth() + 1)) return false
  const isDay = days.has(local.getUTCDate())
  const isWeekday = weekdays.has(local.getUTCDay())
  return needsBothDays ? isDay && isWeekday : isDay || isWeekday
}
