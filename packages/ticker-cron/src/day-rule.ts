/** The days of a month that the day-of-month field names. */
export interface DayOfMonthRule {
  /** Days of the month, from 1 to 31. */
  readonly days: readonly number[]
  /** Numbers of days before the last day of the month: `L` is 0, `L-3` is 3. */
  readonly daysBeforeLast: readonly number[]
  /** The days of entries such as `15W`: the weekday (Monday to Friday) nearest to this day in the same month. */
  readonly nearestWeekdays: readonly number[]
  /** `true` for the entry `LW`: the last weekday (Monday to Friday) of the month. */
  readonly lastWeekday: boolean
}

/** The days of a month that the day-of-week field names. Weekday 0 is Sunday. */
export interface DayOfWeekRule {
  readonly weekdays: readonly number[]
  /** Entries such as `5#2`: the second Friday of the month. */
  readonly nth: readonly { readonly weekday: number; readonly nth: number }[]
  /** Weekdays of entries such as `5L`: the last Friday of the month. */
  readonly last: readonly number[]
}

/** The days that an expression names. A field of `*` or `?` is `null`, because it excludes no day. */
export interface DayRule {
  readonly dayOfMonth: DayOfMonthRule | null
  readonly dayOfWeek: DayOfWeekRule | null
}

const lengths = [28, 29, 30, 31] as const
const firstWeekdays = [0, 1, 2, 3, 4, 5, 6] as const

// The compiled rule of expressions that do not restrict the days: every day of each kind of month. All such expressions
// share this array.
const everyDay: readonly number[] = lengths.flatMap((length) => firstWeekdays.map(() => 2 ** length - 1))

/**
 * Computes the days of a rule for each of the 28 kinds of month. A month has one of 4 lengths, and begins on one of 7
 * weekdays. {@link monthMask} looks up the days of one kind.
 */
export function compileDayRule(rule: DayRule): readonly number[] {
  const { dayOfMonth, dayOfWeek } = rule
  if (dayOfMonth === null && dayOfWeek === null) return everyDay
  return lengths.flatMap((length) =>
    firstWeekdays.map((firstWeekday) => {
      const all = 2 ** length - 1
      const byMonth = dayOfMonth === null ? 0 : daysOfMonth(dayOfMonth, firstWeekday, length)
      const byWeek = dayOfWeek === null ? 0 : daysOfWeek(dayOfWeek, firstWeekday, length)
      return (byMonth | byWeek) & all
    }),
  )
}

/** Returns the days of a month of this kind as a bit mask. Bit 0 is the first day of the month. */
export function monthMask(compiled: readonly number[], firstWeekday: number, length: number): number {
  return compiled[(length - 28) * 7 + firstWeekday] as number
}

function daysOfMonth(rule: DayOfMonthRule, firstWeekday: number, length: number): number {
  let mask = 0
  for (const day of rule.days) mask |= bit(day)
  for (const before of rule.daysBeforeLast) if (before < length) mask |= bit(length - before)
  for (const day of rule.nearestWeekdays) if (day <= length) mask |= bit(nearestWeekday(day, firstWeekday, length))
  if (rule.lastWeekday) mask |= bit(nearestWeekday(length, firstWeekday, length))
  return mask
}

function daysOfWeek(rule: DayOfWeekRule, firstWeekday: number, length: number): number {
  const daysOn = (weekday: number): number[] => {
    const days = []
    for (let day = 1 + ((weekday - firstWeekday + 7) % 7); day <= length; day += 7) days.push(day)
    return days
  }
  let mask = 0
  for (const weekday of rule.weekdays) for (const day of daysOn(weekday)) mask |= bit(day)
  for (const { weekday, nth } of rule.nth) {
    const day = daysOn(weekday)[nth - 1]
    if (day !== undefined) mask |= bit(day)
  }
  for (const weekday of rule.last) mask |= bit(daysOn(weekday).at(-1) as number)
  return mask
}

/**
 * Returns the weekday (Monday to Friday) nearest to a day: a Saturday moves to Friday, a Sunday to Monday, but never
 * into another month.
 */
function nearestWeekday(day: number, firstWeekday: number, length: number): number {
  const weekday = (firstWeekday + day - 1) % 7
  if (weekday === 6) return day > 1 ? day - 1 : day + 2
  if (weekday === 0) return day < length ? day + 1 : day - 2
  return day
}

function bit(day: number): number {
  return 1 << (day - 1)
}
