import { JobistemerError } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { type CronOptions, cron, cronType } from '../src/index.ts'

const at = (text: string): number => Date.parse(text)

describe('a cron schedule', () => {
  it('accepts instants as texts, numbers, Dates and objects with `toMillis`, and returns Dates', () => {
    const daily = cron('0 0 * * *')
    const expected = new Date('2026-01-02T00:00:00Z')
    for (const instant of [
      '2026-01-01T12:00:00Z',
      '2026-01-01T13:00:00+01:00',
      at('2026-01-01T12:00:00Z'),
      new Date('2026-01-01T12:00:00Z'),
      { toMillis: () => at('2026-01-01T12:00:00Z') },
    ]) {
      expect(daily.next(instant)).toEqual(expected)
    }
    expect(() => daily.next('noon')).toThrow(expect.objectContaining({ code: 'INVALID_INSTANT', field: 'after' }))
    expect(() => daily.previous('noon')).toThrow(expect.objectContaining({ code: 'INVALID_INSTANT', field: 'before' }))
    expect(() => daily.between('noon', 0)).toThrow(expect.objectContaining({ code: 'INVALID_INSTANT', field: 'from' }))
    expect(() => daily.nextMs(Number.NaN)).toThrow(expect.objectContaining({ code: 'INVALID_INSTANT' }))
  })

  it('never returns the given instant itself as the next or the previous instant', () => {
    const daily = cron('0 0 * * *')
    const midnight = at('2026-01-01T00:00:00Z')
    expect(daily.nextMs(midnight)).toBe(midnight + 86_400_000)
    expect(daily.nextMs(midnight - 1)).toBe(midnight)
    expect(daily.nextMs(midnight - 0.5)).toBe(midnight)
    expect(daily.previousMs(midnight)).toBe(midnight - 86_400_000)
    expect(daily.previousMs(midnight + 1)).toBe(midnight)
    expect(daily.previousMs(midnight + 0.5)).toBe(midnight)
  })

  it('includes the start of `between`, excludes the end, and computes each instant on demand', () => {
    const minutely = cron('* * * * *')
    const some = [...minutely.between('2026-01-01T00:00:00Z', '2026-01-01T00:02:00Z')]
    expect(some.map((instant) => instant.toISOString().slice(11, 16))).toEqual(['00:00', '00:01'])
    const all = minutely.between(0, at('9999-01-01T00:00:00Z'))
    expect(all.next().value).toEqual(new Date(0))
    expect([...minutely.between(1, 0)]).toEqual([])
  })

  it('begins with the year 1, and ends with the year 9999', () => {
    const daily = cron('0 0 * * *')
    expect(daily.next('9999-12-30T12:00:00Z')?.toISOString()).toBe('9999-12-31T00:00:00.000Z')
    expect(daily.next('9999-12-31T00:00:00Z')).toBeNull()
    expect(daily.nextMs(Number.POSITIVE_INFINITY)).toBeNull()
    expect(daily.previousMs(Number.POSITIVE_INFINITY)).toBe(at('9999-12-31T00:00:00Z'))
    expect(daily.nextMs(Number.NEGATIVE_INFINITY)).toBe(at('0001-01-01T00:00:00Z'))
    expect(daily.previous('0001-01-02T00:00:00Z')?.toISOString()).toBe('0001-01-01T00:00:00.000Z')
    expect(daily.previous('0001-01-01T00:00:00Z')).toBeNull()
    expect(daily.previousMs(Number.NEGATIVE_INFINITY)).toBeNull()
  })

  it('continues after the last year in the tables of the time zone data', () => {
    const daily = cron('0 12 * * *', { timezone: 'America/New_York' })
    // New York has daylight saving time on 1 July 3026, and standard time on 1 January 9026, by the present rules.
    expect(daily.next('3026-07-01T00:00:00Z')?.toISOString()).toBe('3026-07-01T16:00:00.000Z')
    expect(daily.next('9026-01-01T00:00:00Z')?.toISOString()).toBe('9026-01-01T17:00:00.000Z')
    expect(daily.previous('9026-07-02T00:00:00Z')?.toISOString()).toBe('9026-07-01T16:00:00.000Z')
  })

  it('uses local mean time before standard time was introduced, to the second', () => {
    // The offset of New York was -4:56:02 until noon of 18 November 1883.
    const daily = cron('0 6 * * *', { timezone: 'America/New_York' })
    expect(daily.next('1883-11-17T00:00:00Z')?.toISOString()).toBe('1883-11-17T10:56:02.000Z')
    expect(daily.next('1883-11-19T00:00:00Z')?.toISOString()).toBe('1883-11-19T11:00:00.000Z')
    expect(daily.previous('1700-01-02T00:00:00Z')?.toISOString()).toBe('1700-01-01T10:56:02.000Z')
  })

  it('returns the same instants in any order of calls', () => {
    const ask = (expression: string, timezone: string, instants: readonly string[]) => {
      const schedule = cron(expression, { timezone })
      return instants.map((instant) => [schedule.next(instant), schedule.previous(instant)])
    }
    const instants = ['2026-03-29T00:59:00Z', '1950-06-01T00:00:00Z', '2399-12-31T23:00:00Z', '2026-10-25T00:30:00Z']
    const forwards = ask('30 2 * * *', 'Europe/Berlin', instants)
    const backwards = ask('30 2 * * *', 'Europe/Berlin', instants.toReversed())
    expect(backwards.toReversed()).toEqual(forwards)
  })

  it('is the same object each time `cron` is called with an equal expression and equal options', () => {
    expect(cron(' */5  * * * *', { timezone: 'Europe/Paris' })).toBe(cron('*/5 * * * *', { timezone: 'Europe/Paris' }))
    expect(cron('*/5 * * * *', { timezone: 'Europe/Paris' })).not.toBe(cron('*/5 * * * *', { timezone: 'Europe/Rome' }))
    const start = new Date('2026-01-01T00:00:00Z')
    const windowed = cron('*/5 * * * *', { start })
    start.setUTCFullYear(2030)
    expect(windowed.next(0)?.toISOString()).toBe('2026-01-01T00:00:00.000Z')
  })
})

describe('the window from `start` to `end` of a cron schedule', () => {
  const day = (options: CronOptions) =>
    [...cron('0 */6 * * *', options).between('2026-01-01', '2026-02-01')].map((instant) =>
      instant.toISOString().slice(5, 13),
    )

  it('includes its start and its end, and the schedule has no instant outside of the window', () => {
    expect(day({ start: '2026-01-10T06:00:00Z', end: '2026-01-10T18:00:00Z' })).toEqual([
      '01-10T06',
      '01-10T12',
      '01-10T18',
    ])
    expect(day({ start: '2026-01-10T06:00:00.001Z', end: '2026-01-10T17:59:59.999Z' })).toEqual(['01-10T12'])
  })

  it('causes no tick at its start if the expression does not match this instant', () => {
    const late = cron('0 0 1 1 *', { start: '2026-03-05T10:17:00Z' })
    expect(late.next(0)?.toISOString()).toBe('2027-01-01T00:00:00.000Z')
    expect(late.previous('2027-01-01T00:00:00Z')).toBeNull()
  })

  it('limits `previous` too, so that `previous` returns no instant outside the window', () => {
    const bounded = cron('0 * * * *', { start: '2026-01-10T06:00:00Z', end: '2026-01-10T08:30:00Z' })
    expect(bounded.previous('2030-01-01T00:00:00Z')?.toISOString()).toBe('2026-01-10T08:00:00.000Z')
    expect(bounded.previous('2026-01-10T06:00:00Z')).toBeNull()
    expect(bounded.next('2026-01-10T08:00:00Z')).toBeNull()
  })

  it('is in the time zone of the schedule if start and end have no offset', () => {
    expect(day({ timezone: 'Asia/Tokyo', start: '2026-01-10T12:00:00', end: '2026-01-10T18:00' })).toEqual([
      '01-10T03',
      '01-10T09',
    ])
  })
})

describe('a cron schedule without a time zone', () => {
  it('uses the time zone of its job, and UTC without a job', () => {
    const unbound = cron('0 9 * * *', { end: '2026-01-03T09:00' })
    if (!('bind' in unbound)) throw new Error('It has a time zone')
    expect(unbound.timezone).toBe('UTC')
    expect(unbound.next('2026-01-01T00:00:00Z')?.toISOString()).toBe('2026-01-01T09:00:00.000Z')
    expect(unbound.toJSON()).toEqual({ type: 'cron', expression: '0 9 * * *', end: '2026-01-03T09:00' })

    const bound = unbound.bind({ jobName: 'report', timezone: 'Asia/Tokyo' })
    expect('bind' in bound).toBe(false)
    expect(bound.timezone).toBe('Asia/Tokyo')
    expect(bound.next('2026-01-01T00:00:00Z')?.toISOString()).toBe('2026-01-02T00:00:00.000Z')
    expect(bound.next('2026-01-02T00:00:00Z')?.toISOString()).toBe('2026-01-03T00:00:00.000Z')
    expect(bound.next('2026-01-03T00:00:00Z')).toBeNull()
    expect(unbound.bind({ jobName: 'report' }).timezone).toBe('UTC')
    expect(() => unbound.bind({ jobName: 'report', timezone: 'Europe/Atlantis' })).toThrow(
      expect.objectContaining({ code: 'INVALID_TIMEZONE' }),
    )
  })

  it('keeps the time zone of its options', () => {
    const own = cron('H 9 * * *', { timezone: 'Asia/Tokyo' })
    if (!('bind' in own)) throw new Error('It needs no job')
    expect(own.bind({ jobName: 'report', timezone: 'Europe/Berlin' }).timezone).toBe('Asia/Tokyo')
  })
})

describe('a serialized cron schedule', () => {
  it.each<[string, CronOptions]>([
    ['0 2 * * *', {}],
    ['*/5 9-17 * * MON-FRI', { timezone: 'Europe/Berlin' }],
    ['30 2 * * *', { timezone: 'Europe/Berlin', dst: { gap: 'skip', fold: 'last' }, start: 0, end: '2030-01-01' }],
    ['30 2 * * *', { timezone: 'Europe/Berlin', dst: { fold: 'both' } }],
    ['30 2 * * *', { dst: {} }],
  ])('of the expression %s with the options %o is loaded as an equal schedule', (expression, options) => {
    const schedule = cron(expression, options)
    const stored = JSON.parse(JSON.stringify(schedule))
    const revived = cronType.revive(stored)
    expect(revived.toJSON()).toEqual(stored)
    expect(revived.type).toBe(cronType)
    expect(revived.describe()).toBe(schedule.describe())
    for (const instant of ['2026-03-28T12:00:00Z', '2026-10-25T00:00:00Z']) {
      expect(revived.next(instant)).toEqual(schedule.next(instant))
    }
  })

  it('is refused if its type or version is not the one of this package', () => {
    for (const stored of [
      { type: 'once', expression: '* * * * *' },
      { type: 'cron' },
      { type: 'cron', expression: 5 },
      { type: 'cron', expression: '* * * * *', jobName: 5 },
      { type: 'cron', expression: '* * * * *', calendar: 'lunar' },
    ]) {
      expect(() => cronType.revive(stored)).toThrow(
        expect.toSatisfy((error) => JobistemerError.isInstance(error, 'INVALID_SCHEDULE')),
      )
    }
  })
})

describe('a cron schedule at an offset change of its time zone', () => {
  const instants = (expression: string, options: CronOptions, from: string, to: string) =>
    [...cron(expression, options).between(from, to)].map((instant) => instant.toISOString().slice(11, 19))
  const spring = (expression: string, dst?: CronOptions['dst']) =>
    instants(
      expression,
      { timezone: 'America/New_York', ...(dst === undefined ? {} : { dst }) },
      '2025-03-09T06:00:00Z',
      '2025-03-09T08:00:00Z',
    )
  const autumn = (expression: string, dst?: CronOptions['dst']) =>
    instants(
      expression,
      { timezone: 'America/New_York', ...(dst === undefined ? {} : { dst }) },
      '2025-11-02T05:00:00Z',
      '2025-11-02T08:00:00Z',
    )

  it('fires once, after a skipped hour, for all fixed times in this hour, including times with seconds', () => {
    expect(spring('0,20,40 2 * * *')).toEqual(['07:00:00'])
    expect(spring('*/10 30 2 * * *')).toEqual(['07:00:00'])
    expect(spring('0 2-3 * * *')).toEqual(['07:00:00'])
  })

  it('that repeats by elapsed time does not fire in a skipped hour, and fires in both repeated hours', () => {
    expect(spring('* 2 * * *')).toEqual([])
    expect(spring('30 * * * *')).toEqual(['06:30:00', '07:30:00'])
    expect(autumn('30 * * * *')).toEqual(['05:30:00', '06:30:00', '07:30:00'])
  })

  it('treats skipped hours and repeated hours as the option `dst` says', () => {
    expect(spring('30 2 * * *', { gap: 'skip' })).toEqual([])
    expect(spring('30 */1 * * *', { gap: 'shift' })).toEqual(['06:30:00', '07:00:00', '07:30:00'])
    expect(autumn('30 1 * * *', { fold: 'last' })).toEqual(['06:30:00'])
    expect(autumn('30 1 * * *', { fold: 'both' })).toEqual(['05:30:00', '06:30:00'])
    expect(autumn('30 * * * *', { fold: 'first' })).toEqual(['05:30:00', '07:30:00'])
    expect(autumn('30 * * * *', { fold: 'last' })).toEqual(['06:30:00', '07:30:00'])
  })

  it('fires at the start of the next day if the time zone skips a whole day that contains a fixed time of the schedule', () => {
    // Samoa skipped 30 December 2011.
    expect(
      [...cron('0 9 * * *', { timezone: 'Pacific/Apia' }).between('2011-12-29T00:00:00Z', '2012-01-01T00:00:00Z')].map(
        (instant) => instant.toISOString(),
      ),
    ).toEqual([
      '2011-12-29T19:00:00.000Z',
      '2011-12-30T10:00:00.000Z',
      '2011-12-30T19:00:00.000Z',
      '2011-12-31T19:00:00.000Z',
    ])
  })
})
