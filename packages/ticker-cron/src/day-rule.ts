/** Which days of a month the day-of-month field names. */
export interface DayOfMonthRule {
  /** 1 to 31. */
  readonly days: readonly number[]
  /** Days before the last day of the month: `L` is 0, `L-3` is 3. */
  readonly daysBeforeLast: readonly number[]
  /** `15W`: the weekday (Monday to Friday) nearest to this day, inside the month. */
  readonly nearestWeekdays: readonly number[]
  /** `LW`: the last weekday of the month. */
  readonly lastWeekday: boolean
}

/** Which days of a month the day-of-week field names. Weekdays: 0 = Sunday. */
export interface DayOfWeekRule {
  readonly weekdays: readonly number[]
  /** `5#2`: the second Friday. */
  readonly nth: readonly { readonly weekday: number; readonly nth: number }[]
  /** `5L`: the last Friday. */
  readonly last: readonly number[]
}

/** The days that an expression names. A field that is `*` or `?` restricts nothing: `null`. */
export interface DayRule {
  readonly dayOfMonth: DayOfMonthRule | null
  readonly dayOfWeek: DayOfWeekRule | null
}

const lengths = [28, 29, 30, 31] as const
const firstWeekdays = [0, 1, 2, 3, 4, 5, 6] as const

// What most expressions name: one table for all of them.
const everyDay: readonly number[] = lengths.flatMap((length) => firstWeekdays.map(() => 2 ** length - 1))

/**
 * The days that a rule names in every kind of month there is: 4 lengths × 7 weekdays for the first day.
 * Look one up with {@link monthMask}.
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

/** The days named in a month of this kind; bit 0 is the first of the month. */
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

/** A Saturday moves to the Friday before, a Sunday to the Monday after, but never into another month. */
function nearestWeekday(day: number, firstWeekday: number, length: number): number {
  const weekday = (firstWeekday + day - 1) % 7
  if (weekday === 6) return day > 1 ? day - 1 : day + 2
  if (weekday === 0) return day < length ? day + 1 : day - 2
  return day
}

function bit(day: number): number {
  return 1 << (day - 1)
}
