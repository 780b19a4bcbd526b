import { type ErrorCode, JobistemerError } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { type CronOptions, cron } from '../src/index.ts'
import { parseExpression } from '../src/parse-expression.ts'

const start = '2026-01-01T00:00:00Z'

/** Returns the first `count` instants of an expression in 2026, in UTC. */
function first(count: number, expression: string): string[] {
  const schedule = cron(expression)
  const instants: string[] = []
  for (const at of schedule.between('2026-01-01T00:00:00.001Z', '2400-01-01T00:00:00Z')) {
    instants.push(at.toISOString().slice(0, -5))
    if (instants.length === count) break
  }
  return instants
}

function refusal(expression: unknown, options?: unknown): { code: ErrorCode; field: string | undefined } {
  try {
    cron(expression as string, options as CronOptions)
  } catch (error) {
    if (!JobistemerError.isInstance(error)) throw error
    expect(error.remedy).toMatch(/\S/)
    expect(error).toHaveProperty('value')
    return { code: error.code, field: error.field }
  }
  throw new Error(`${expression} was accepted`)
}

describe('a cron expression', () => {
  it.each([
    ['@hourly', '0 * * * *'],
    ['@daily', '0 0 * * *'],
    ['@midnight', '0 0 * * *'],
    ['@weekly', '0 0 * * 0'],
    ['@monthly', '0 0 1 * *'],
    ['@yearly', '0 0 1 1 *'],
    ['@annually', '0 0 1 1 *'],
    ['@Daily', '0 0 * * *'],
    ['  0\t0  * * *\n', '0 0 * * *'],
    ['0 0 * JAN-MAR mon,Wed', '0 0 * 1-3 1,3'],
    ['0 0 * * 0,7', '0 0 * * 0'],
    ['0 0 * * 5-7', '0 0 * * 5,6,0'],
    ['0 0 * * 1/2', '0 0 * * 1,3,5'],
    ['0 0 * * */2', '0 0 * * 0,2,4,6'],
    ['0 0 */1 * MON', '0 0 * * MON'],
    ['0 0 *,5 * MON', '0 0 * * MON'],
    ['0 0 ? * ?', '0 0 * * *'],
    ['10/20 * * * *', '10,30,50 * * * *'],
    ['10-30/10,59 5 * * *', '10,20,30,59 5 * * *'],
    ['05 08 01 02 *', '5 8 1 2 *'],
    ['0 30 4 * * *', '30 4 * * *'],
    ['0 30 4 * * * *', '30 4 * * *'],
    ['0 30 4 * * * 1970-2399', '30 4 * * *'],
    ['0 0 l * friL', '0 0 L * FRIL'],
    ['0 0 * january,MAY-September Monday', '0 0 * 1,5-9 1'],
    ['0 0 * * fridayL,Tuesday#2,sunday', '0 0 * * FRIL,TUE#2,0'],
    ['*/60 * * * *', '0 * * * *'],
    ['0 */24 * * *', '0 0 * * *'],
    ['0 0 */31 */12 *', '0 0 1 1 *'],
    ['0 0 * * */7', '0 0 * * SUN'],
  ])('may be written as %s or as %s with the same instants', (one, other) => {
    expect(first(50, one)).toEqual(first(50, other))
  })

  it('of six fields begins with the seconds', () => {
    expect(first(3, '*/20 59 23 * * *')).toEqual(['2026-01-01T23:59:00', '2026-01-01T23:59:20', '2026-01-01T23:59:40'])
  })

  it('of seven fields ends with the year', () => {
    expect(first(3, '0 0 0 1 1 * 2030,2040-2042/2')).toEqual([
      '2030-01-01T00:00:00',
      '2040-01-01T00:00:00',
      '2042-01-01T00:00:00',
    ])
    expect(first(2, '0 0 0 1 1 ? 2090/200')).toEqual(['2090-01-01T00:00:00', '2290-01-01T00:00:00'])
    const past = cron('0 0 0 1 1 * 2020')
    expect(past.next(start)).toBeNull()
    expect(past.previous(start)?.toISOString()).toBe('2020-01-01T00:00:00.000Z')
    expect(past.previous('2020-01-01T00:00:00Z')).toBeNull()
    expect(past.next('1000-01-01T00:00:00Z')?.toISOString()).toBe('2020-01-01T00:00:00.000Z')
  })

  it('may count days from the end of the month', () => {
    expect(first(3, '0 0 L-2 * *')).toEqual(['2026-01-29T00:00:00', '2026-02-26T00:00:00', '2026-03-29T00:00:00'])
    // Only months with 31 days have a day that is 30 days before the last day.
    expect(first(3, '0 0 L-30 * *')).toEqual(['2026-03-01T00:00:00', '2026-05-01T00:00:00', '2026-07-01T00:00:00'])
    expect(first(3, '0 0 10,L * *')).toEqual(['2026-01-10T00:00:00', '2026-01-31T00:00:00', '2026-02-10T00:00:00'])
  })

  it('may name the weekday that is nearest to a day of the month, within the same month', () => {
    // 1 August 2026 is a Saturday, 31 May 2026 a Sunday.
    expect(first(1, '0 0 1W 8 *')).toEqual(['2026-08-03T00:00:00'])
    expect(first(1, '0 0 31W 5 *')).toEqual(['2026-05-29T00:00:00'])
    expect(first(3, '0 0 LW * *')).toEqual(['2026-01-30T00:00:00', '2026-02-27T00:00:00', '2026-03-31T00:00:00'])
    expect(first(2, '0 0 1W,15W 8 *')).toEqual(['2026-08-03T00:00:00', '2026-08-14T00:00:00'])
  })

  it('may name the n-th or the last of a weekday in the month, alone and in lists', () => {
    expect(first(3, '0 0 * * 1#5')).toEqual(['2026-03-30T00:00:00', '2026-06-29T00:00:00', '2026-08-31T00:00:00'])
    expect(first(4, '0 0 * * MON#1,MON#3')).toEqual([
      '2026-01-05T00:00:00',
      '2026-01-19T00:00:00',
      '2026-02-02T00:00:00',
      '2026-02-16T00:00:00',
    ])
    expect(first(3, '0 0 * * 7L,WED#1')).toEqual(['2026-01-07T00:00:00', '2026-01-25T00:00:00', '2026-02-04T00:00:00'])
  })

  it('may fire less often than once in each leap year, for example on a fifth Sunday in February', () => {
    expect(first(3, '0 0 * 2 0#5')).toEqual(['2032-02-29T00:00:00', '2060-02-29T00:00:00', '2088-02-29T00:00:00'])
    expect(cron('0 0 * 2 0#5').next('2088-03-01T00:00:00Z')?.toISOString()).toBe('2128-02-29T00:00:00.000Z')
  })
})

describe('an invalid cron expression', () => {
  it.each([
    ['', 'expression'],
    ['* * * *', 'expression'],
    ['* * * * * * * *', 'expression'],
    ['@reboot', 'expression'],
    ['@fortnightly', 'expression'],
    ['60 * * * *', 'expression.minute'],
    ['* 24 * * *', 'expression.hour'],
    ['* * 0 * *', 'expression.dayOfMonth'],
    ['* * 32 * *', 'expression.dayOfMonth'],
    ['* * * 13 *', 'expression.month'],
    ['* * * 0 *', 'expression.month'],
    ['* * * * 8', 'expression.dayOfWeek'],
    ['60 * * * * *', 'expression.second'],
    ['0 0 0 1 1 * 1969', 'expression.year'],
    ['0 0 0 1 1 * 2400', 'expression.year'],
    ['0 0 0 1 1 * 2030-2020', 'expression.year'],
    ['0 0 0 1 1 * 2030/0', 'expression.year'],
    ['0 0 0 1 1 * H', 'expression.year'],
    ['0 0 0 1 1 * JAN', 'expression.year'],
    ['-5 * * * *', 'expression.minute'],
    ['1.5 * * * *', 'expression.minute'],
    ['1- * * * *', 'expression.minute'],
    ['1-2-3 * * * *', 'expression.minute'],
    ['5-1 * * * *', 'expression.minute'],
    ['*/0 * * * *', 'expression.minute'],
    ['*/-5 * * * *', 'expression.minute'],
    ['*/ * * * *', 'expression.minute'],
    ['** * * * *', 'expression.minute'],
    ['? * * * *', 'expression.minute'],
    ['0,,5 * * * *', 'expression.minute'],
    [',5 * * * *', 'expression.minute'],
    ['five * * * *', 'expression.minute'],
    ['L * * * *', 'expression.minute'],
    ['* * * JANFEB *', 'expression.month'],
    ['* * * JUX *', 'expression.month'],
    ['* * * MON *', 'expression.month'],
    ['* * * * JAN', 'expression.dayOfWeek'],
    ['* * * NOV-FEB *', 'expression.month'],
    ['* * * * FRIDAYS', 'expression.dayOfWeek'],
    ['* * * JULYS *', 'expression.month'],
    ['* * * * JULY', 'expression.dayOfWeek'],
    ['* * * * 9-1', 'expression.dayOfWeek'],
    ['* * * * L', 'expression.dayOfWeek'],
    ['* * * * 5#0', 'expression.dayOfWeek'],
    ['* * * * 5#6', 'expression.dayOfWeek'],
    ['* * * * 8#1', 'expression.dayOfWeek'],
    ['* * * * 5W', 'expression.dayOfWeek'],
    ['* * 0W * *', 'expression.dayOfMonth'],
    ['* * 32W * *', 'expression.dayOfMonth'],
    ['* * WL * *', 'expression.dayOfMonth'],
    ['* * L-31 * *', 'expression.dayOfMonth'],
    ['* * 5L * *', 'expression.dayOfMonth'],
    ['* * 1-L * *', 'expression.dayOfMonth'],
    ['h * * * *', 'expression.minute'],
    ['H(5-1) * * * *', 'expression.minute'],
    ['H(0-60) * * * *', 'expression.minute'],
    ['*/61 * * * *', 'expression.minute'],
    ['*/100 * * * *', 'expression.minute'],
    ['5/61 * * * *', 'expression.minute'],
    ['0-30/61 * * * *', 'expression.minute'],
    ['0,*/61 * * * *', 'expression.minute'],
    ['*/61 * * * * *', 'expression.second'],
    ['0 */25 * * *', 'expression.hour'],
    ['0 0 */32 * *', 'expression.dayOfMonth'],
    ['0 0 1 */13 *', 'expression.month'],
    ['0 0 * * */8', 'expression.dayOfWeek'],
    ['0 0 * * MON/8', 'expression.dayOfWeek'],
    ['0 0 0 1 1 * 2030/431', 'expression.year'],
    ['H/0 * * * *', 'expression.minute'],
    ['H/61 * * * *', 'expression.minute'],
    ['H(0-10)/12 * * * *', 'expression.minute'],
  ])('%s is refused, and the error names the field %s', (expression, field) => {
    expect(refusal(expression)).toEqual({ code: 'INVALID_SCHEDULE', field })
  })

  it('is refused with an error that names the value, the fault, and the accepted values', () => {
    expect(() => cron('0 25 * * *')).toThrow(
      'The hour field "25" of the cron expression "0 25 * * *" cannot be read: ' +
        'Constraint error, got value 25 expected range 0-23. ' +
        'It takes 0-23, *, lists (1,5), ranges (1-5), steps (*/5), H.',
    )
  })

  it('is refused if it is not a string or has thousands of characters', () => {
    expect(refusal(undefined)).toEqual({ code: 'INVALID_SCHEDULE', field: 'expression' })
    expect(refusal(5)).toEqual({ code: 'INVALID_SCHEDULE', field: 'expression' })
    expect(refusal(`${'1,'.repeat(1000)}1 * * * *`)).toEqual({ code: 'INVALID_SCHEDULE', field: 'expression' })
  })
})

describe('a cron expression that fires rarely', () => {
  it('may have decades between two instants', () => {
    // A February has five Mondays only if it has 29 days and begins with a Monday. This happens every 28 years, and around
    // 2100 only after 40 years.
    const fifthMonday = cron('0 0 ? 2 1#5', { timezone: 'Europe/Berlin' })
    const years: number[] = []
    for (let next = fifthMonday.next('2026-01-01T00:00:00Z'); next !== null && years.length < 3; ) {
      years.push(next.getUTCFullYear())
      next = fifthMonday.next(next)
    }
    expect(years).toEqual([2044, 2072, 2112])
  })

  it('may have its only instant at the start of its window', () => {
    const onlyOnce = cron('0 0 0 1 1 ? 2027', { start: '2027-01-01T00:00:00Z' })
    expect(onlyOnce.next('2026-01-01T00:00:00Z')).toEqual(new Date('2027-01-01T00:00:00Z'))
  })
})

describe('a cron expression that can never fire', () => {
  it.each([
    ['0 0 30 2 *', undefined],
    ['0 0 31 4,6,9,11 *', undefined],
    ['0 0 31W 2 *', undefined],
    ['0 0 0 29 2 * 2027', undefined],
    ['0 0 0 1 1 * 2020', { start: '2026-01-01' }],
    ['0 0 29 2 *', { start: '2025-01-01', end: '2027-01-01' }],
    ['0 0 0 1 1 * 2030', { end: '2029-01-01' }],
    // The clocks of New York skip the times of these two expressions in every year since 2007.
    ['* 2 * 3 SUN#2', { timezone: 'America/New_York' }],
    ['30 2 * 3 SUN#2', { timezone: 'America/New_York', dst: { gap: 'skip' } }],
  ])('%s with the options %o is refused with SCHEDULE_NEVER_FIRES', (expression, options) => {
    expect(refusal(expression, options)).toEqual({ code: 'SCHEDULE_NEVER_FIRES', field: 'expression' })
  })

  it('is refused, while an expression that fires rarely, or only at local times that the clock skips, is accepted', () => {
    expect(cron('0 0 31 2 MON').next(start)).not.toBeNull()
    expect(cron('30 2 * 3 SUN#2', { timezone: 'America/New_York' }).next(start)?.toISOString()).toBe(
      '2026-03-08T07:00:00.000Z',
    )
  })
})

describe('invalid options of a cron schedule', () => {
  it.each<[unknown, ErrorCode, string]>([
    [{ tz: 'UTC' }, 'UNKNOWN_OPTION', 'tz'],
    [{ dst: { overlap: 'first' } }, 'UNKNOWN_OPTION', 'dst.overlap'],
    [{ timezone: 'Europe/Atlantis' }, 'INVALID_TIMEZONE', 'timezone'],
    [{ timezone: '' }, 'INVALID_TIMEZONE', 'timezone'],
    [{ timezone: 7 }, 'INVALID_TIMEZONE', 'timezone'],
    [{ start: 'soon' }, 'INVALID_INSTANT', 'start'],
    [{ end: Number.NaN }, 'INVALID_INSTANT', 'end'],
    [{ start: '2026-02-01', end: '2026-01-01' }, 'INVALID_SCHEDULE', 'end'],
    [{ dst: 'skip' }, 'INVALID_SCHEDULE', 'dst'],
    [{ dst: { gap: 'jump' } }, 'INVALID_SCHEDULE', 'dst.gap'],
    [{ dst: { fold: 'twice' } }, 'INVALID_SCHEDULE', 'dst.fold'],
  ])('%o are refused with the error %s, which names the option %s', (options, code, field) => {
    expect(refusal('* * * * *', options)).toEqual({ code, field })
    // The second call uses the cache of expressions, and must fail too.
    expect(refusal('* * * * *', options)).toEqual({ code, field })
  })

  it('that are not an object are refused', () => {
    expect(refusal('* * * * *', 'UTC').code).toBe('INVALID_ARGUMENT')
  })
})

it('a cron expression of 500 KB is refused before its white space is removed', () => {
  const expression = `0 2${' '.repeat(500_000)}* * *`
  const refused = { code: 'INVALID_SCHEDULE', field: 'expression', value: expression, remedy: expect.any(String) }
  expect(() => cron(expression)).toThrow(expect.objectContaining(refused))
  expect(() => cron(expression)).toThrow(/has 500008 characters; at most 1000 are read: "0 2 {60,80}\.\.\./)
})

it('a range in a cron expression may end with Sunday, written as 0 or by name', () => {
  const weekdaysOf = (field: string) => parseExpression(`0 0 * * ${field}`, null).fields.days.dayOfWeek?.weekdays
  expect(weekdaysOf('thu-sun')).toEqual([0, 4, 5, 6])
  expect(weekdaysOf('THU-7')).toEqual([0, 4, 5, 6])
  expect(weekdaysOf('mon-sun')).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(weekdaysOf('thu-sun/2')).toEqual([4, 6])
  expect(weekdaysOf('fri-sun/2')).toEqual([0, 5])
  expect(weekdaysOf('sun-sun')).toEqual([0])
  expect(weekdaysOf('sun-tue')).toEqual([0, 1, 2])
})

it('a range of weekdays in a cron expression may pass the end of the week', () => {
  const weekdaysOf = (field: string) => parseExpression(`0 0 * * ${field}`, null).fields.days.dayOfWeek?.weekdays
  expect(weekdaysOf('fri-mon')).toEqual([0, 1, 5, 6])
  expect(weekdaysOf('5-1')).toEqual([0, 1, 5, 6])
  expect(weekdaysOf('7-2')).toEqual([0, 1, 2])
  expect(weekdaysOf('saturday-sunday')).toEqual([0, 6])
  expect(weekdaysOf('fri-mon/2')).toEqual([0, 5])
  expect(weekdaysOf('fri-mon/3')).toEqual([1, 5])
})
