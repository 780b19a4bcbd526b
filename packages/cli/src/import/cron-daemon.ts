import { offsetAt, offsetChanges } from './offset-changes.ts'
import { dayMs, hourMs, minuteMs } from './units.ts'

/** The parsed fields of a crontab line. */
export interface CronLine {
  readonly minutes: ReadonlySet<number>
  readonly hours: ReadonlySet<number>
  readonly days: ReadonlySet<number>
  readonly months: ReadonlySet<number>
  readonly weekdays: ReadonlySet<number>
  /** `true` if a day field begins with `*`. The daemon then runs the line only on days that match both day fields. */
  readonly needsBothDays: boolean
  /**
   * `true` if the minute or hour field begins with `*`. The daemon then runs the line at each matching local time, even
   * if a clock change repeats this time. The daemon does not make up for a local time that a clock change skips.
   */
  readonly followsElapsedTime: boolean
}

/** The least and the greatest value of each field: minute, hour, day of month, month and day of week. */
export const bounds = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/**
 * Parses the five fields of a crontab line as the cron daemon does. Returns `null` for a line that the daemon ignores.
 */
export function readCronLine(expression: string): CronLine | null {
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = expression.split(' ')
  const fields = [
    readField(minute, bounds[0]),
    readField(hour, bounds[1]),
    readField(day, bounds[2]),
    readField(month, bounds[3], months),
    readField(weekday, bounds[4], weekdays),
  ]
  if (fields.includes(null)) return null
  const [minuteSet, hourSet, daySet, monthSet, weekdaySet] = fields as readonly ReadonlySet<number>[]
  return {
    minutes: minuteSet as ReadonlySet<number>,
    hours: hourSet as ReadonlySet<number>,
    days: daySet as ReadonlySet<number>,
    months: monthSet as ReadonlySet<number>,
    weekdays: new Set([...(weekdaySet ?? [])].map((value) => value % 7)),
    needsBothDays: day.startsWith('*') || weekday.startsWith('*'),
    followsElapsedTime: minute.startsWith('*') || hour.startsWith('*'),
  }
}

/** Returns the values of a crontab field. `names` are words for the values, in order: the first word stands for `min`. */
function readField(
  field: string,
  [min, max]: readonly [number, number],
  names: readonly string[] = [],
): ReadonlySet<number> | null {
  const numberOf = (text: string): number => {
    const index = names.indexOf(text.toLowerCase())
    return index !== -1 ? index + min : /^\d+$/.test(text) ? Number(text) : Number.NaN
  }
  const values = new Set<number>()
  for (const part of field.split(',')) {
    const [, range = '', step] = /^([^/]+)(?:\/(\d+))?$/.exec(part) ?? []
    // In cronie, a range with the operator `~` may omit a bound. The omitted bound is then the bound of the field.
    const whole = (range === '*' ? '~' : range).replace(/^~/, `${min}~`).replace(/~$/, `~${max}`)
    const [low = '', high] = whole.split(/[-~]/)
    const from = numberOf(low)
    // The daemon rejects a single number with a step, such as `1/5`.
    if (high === undefined && step !== undefined) return null
    const to = high !== undefined ? numberOf(high) : from
    if (!(from >= min && to <= max && from <= to) || Number(step ?? 1) === 0) return null
    for (let value = from; value <= to; value += Number(step ?? 1)) values.add(value)
  }
  return values
}

/**
 * Returns the instants after `afterMs` at which a cron daemon runs the command of a crontab line. The algorithm is from
 * Vixie's cron: each minute, the daemon compares the line with the local time.
 *
 * A line has fixed times if neither its minute field nor its hour field begins with `*`. For such a line:
 * - If the clock jumps ahead over a fixed time, the daemon runs the command immediately after the jump.
 * - If the clock jumps back and a fixed time repeats, the daemon does not run the command again.
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
      // `true` if the zone's clock was set back at its last change, and had shown this local time before.
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
