import fc from 'fast-check'

/** A calendar day, with its weekday and the length of its month. */
export interface CalendarDay {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  /** 0 = Sunday. */
  readonly weekday: number
  readonly daysInMonth: number
}

/** A random expression, and an independent implementation of the times that it matches. */
export interface RandomExpression {
  readonly text: string
  readonly followsElapsedTime: boolean
  readonly names: (day: CalendarDay, secondOfDay: number) => boolean
}

interface RandomField<T> {
  readonly text: string
  readonly isStar: boolean
  readonly has: (value: T) => boolean
}

const monthNames = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdayNames = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

const star: RandomField<unknown> = { text: '*', isStar: true, has: () => true }

function numberItem(
  min: number,
  max: number,
  write: (value: number) => string = String,
): fc.Arbitrary<RandomField<number>> {
  const value = fc.integer({ min, max })
  const stepOf = fc.integer({ min: 1, max: Math.min(9, max - min + 1) })
  const range = fc.tuple(value, value).map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const)
  return fc.oneof(
    {
      weight: 4,
      arbitrary: value.map((only) => ({ text: write(only), isStar: false, has: (it: number) => it === only })),
    },
    {
      weight: 2,
      arbitrary: range.map(([from, to]) => ({
        text: `${write(from)}-${write(to)}`,
        isStar: false,
        has: (it: number) => it >= from && it <= to,
      })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(range, stepOf).map(([[from, to], step]) => ({
        text: `${write(from)}-${write(to)}/${step}`,
        isStar: false,
        has: (it: number) => it >= from && it <= to && (it - from) % step === 0,
      })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(value, stepOf).map(([from, step]) => ({
        text: `${write(from)}/${step}`,
        isStar: false,
        has: (it: number) => it >= from && (it - from) % step === 0,
      })),
    },
  )
}

function starWithStep(min: number): fc.Arbitrary<RandomField<number>> {
  return fc.integer({ min: 2, max: 15 }).map((step) => ({
    text: `*/${step}`,
    isStar: false,
    has: (it: number) => (it - min) % step === 0,
  }))
}

function listOf<T>(item: fc.Arbitrary<RandomField<T>>): fc.Arbitrary<RandomField<T>> {
  return fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => ({
    text: items.map(({ text }) => text).join(','),
    isStar: false,
    has: (value: T) => items.some((one) => one.has(value)),
  }))
}

function numberField(min: number, max: number, write?: (value: number) => string): fc.Arbitrary<RandomField<number>> {
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant<RandomField<number>>(star) },
    { weight: 1, arbitrary: starWithStep(min) },
    { weight: 3, arbitrary: listOf(numberItem(min, max, write)) },
  )
}

const dayItem: fc.Arbitrary<RandomField<CalendarDay>> = fc.oneof(
  {
    weight: 3,
    arbitrary: numberItem(1, 31).map(({ text, has }) => ({
      text,
      isStar: false,
      has: (it: CalendarDay) => has(it.day),
    })),
  },
  fc.integer({ min: 0, max: 10 }).map((before) => ({
    text: before === 0 ? 'L' : `L-${before}`,
    isStar: false,
    has: (it: CalendarDay) => it.day === it.daysInMonth - before,
  })),
  fc.constant({ text: 'LW', isStar: false, has: (it: CalendarDay) => isNearestWeekday(it, it.daysInMonth) }),
  fc.integer({ min: 1, max: 31 }).map((near) => ({
    text: `${near}W`,
    isStar: false,
    has: (it: CalendarDay) => near <= it.daysInMonth && isNearestWeekday(it, near),
  })),
)

const weekdayItem: fc.Arbitrary<RandomField<CalendarDay>> = fc.oneof(
  {
    weight: 3,
    arbitrary: numberItem(0, 6).map(({ text, has }) => ({
      text,
      isStar: false,
      has: (it: CalendarDay) => has(it.weekday),
    })),
  },
  fc.integer({ min: 0, max: 6 }).map((weekday) => ({
    text: weekdayNames[weekday] as string,
    isStar: false,
    has: (it: CalendarDay) => it.weekday === weekday,
  })),
  fc.constant({ text: '7', isStar: false, has: (it: CalendarDay) => it.weekday === 0 }),
  fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 4 })).map(([weekday, nth]) => ({
    text: `${weekday}#${nth}`,
    isStar: false,
    has: (it: CalendarDay) => it.weekday === weekday && Math.ceil(it.day / 7) === nth,
  })),
  fc.integer({ min: 0, max: 6 }).map((weekday) => ({
    text: `${weekdayNames[weekday]}L`,
    isStar: false,
    has: (it: CalendarDay) => it.weekday === weekday && it.day > it.daysInMonth - 7,
  })),
)

function dayField(item: fc.Arbitrary<RandomField<CalendarDay>>): fc.Arbitrary<RandomField<CalendarDay>> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<RandomField<CalendarDay>>(star, { ...star, text: '?' }) },
    { weight: 1, arbitrary: listOf(item) },
  )
}

/** Returns whether a day is the weekday (Monday to Friday) nearest to `near` in the same month. */
function isNearestWeekday(it: CalendarDay, near: number): boolean {
  if (it.weekday === 0 || it.weekday === 6) return false
  const nearWeekday = (it.weekday + near - it.day + 70) % 7
  if (nearWeekday !== 0 && nearWeekday !== 6) return it.day === near
  const nearest = nearWeekday === 6 ? near - 1 : near + 1
  if (nearest >= 1 && nearest <= it.daysInMonth) return it.day === nearest
  return it.day === (nearWeekday === 6 ? near + 2 : near - 2)
}

/** Generates expressions of 5 and 6 fields with all syntax forms. */
export const randomExpression: fc.Arbitrary<RandomExpression> = fc
  .record({
    second: fc.option(listOf(numberItem(0, 59)), { nil: null, freq: 3 }),
    minute: numberField(0, 59),
    hour: numberField(0, 23),
    dayOfMonth: dayField(dayItem),
    month: fc.oneof(
      { weight: 4, arbitrary: fc.constant<RandomField<number>>(star) },
      { weight: 1, arbitrary: listOf(numberItem(1, 12, (month) => monthNames[month - 1] as string)) },
    ),
    dayOfWeek: dayField(weekdayItem),
  })
  .map(({ second, minute, hour, dayOfMonth, month, dayOfWeek }) => ({
    text: [second, minute, hour, dayOfMonth, month, dayOfWeek].flatMap((field) => field?.text ?? []).join(' '),
    followsElapsedTime: minute.text.startsWith('*') || hour.text.startsWith('*'),
    names: (day, secondOfDay) => {
      if (!month.has(day.month) || !hour.has(Math.floor(secondOfDay / 3600))) return false
      if (!minute.has(Math.floor(secondOfDay / 60) % 60)) return false
      if (second === null ? secondOfDay % 60 !== 0 : !second.has(secondOfDay % 60)) return false
      if (dayOfMonth.isStar || dayOfWeek.isStar) return dayOfMonth.has(day) && dayOfWeek.has(day)
      return dayOfMonth.has(day) || dayOfWeek.has(day)
    },
  }))
