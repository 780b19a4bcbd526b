import { type ErrorCode, JobistemerError } from '@jobistemer/core'
import type { SerializedSchedule } from '@jobistemer/core/schedule'
import { describe, expect, it } from 'vitest'
import { type Iso8601Options, iso8601, iso8601Type } from '../src/index.ts'

const longAgo = '1900-01-01T00:00:00Z'
const inLongTime = '2100-01-01T00:00:00Z'

function all(interval: string, options?: Iso8601Options): string[] {
  return [...iso8601(interval, options).between(longAgo, inLongTime)].map((at) =>
    at.toISOString().replace('.000Z', 'Z'),
  )
}

function refusal(interval: string, options?: Iso8601Options): { code: ErrorCode; field: string | undefined } {
  try {
    iso8601(interval, options)
  } catch (error) {
    if (!JobistemerError.isInstance(error)) throw error
    expect(error.remedy).toMatch(/\S/)
    return { code: error.code, field: error.field }
  }
  throw new Error(`${interval} was accepted`)
}

describe('an ISO 8601 interval', () => {
  it('fires for the first time at its start, and fires in total the number of times that its count states', () => {
    expect(all('R3/2026-01-31T00:00:00/P1M')).toEqual([
      '2026-01-31T00:00:00Z',
      '2026-02-28T00:00:00Z',
      '2026-03-31T00:00:00Z',
    ])
    expect(all('R1/2026-01-31/P1M')).toEqual(['2026-01-31T00:00:00Z'])
  })

  it('without a count has no end', () => {
    for (const interval of ['R/2026-01-01T00:00:00Z/PT1H', 'R-1/2026-01-01T00:00Z/PT1H']) {
      expect(iso8601(interval).next('2099-06-01T00:30:00Z')?.toISOString()).toBe('2099-06-01T01:00:00.000Z')
    }
  })

  it('reads a start without an offset in its time zone, and otherwise uses the offset of the start', () => {
    expect(all('R1/2026-01-31T09:00:00/P1D', { timezone: 'Asia/Tokyo' })).toEqual(['2026-01-31T00:00:00Z'])
    expect(all('R1/2026-01-31T09:00:00Z/P1D', { timezone: 'Asia/Tokyo' })).toEqual(['2026-01-31T09:00:00Z'])
    expect(all('R1/20260131T090000+0100/P1D', { timezone: 'Asia/Tokyo' })).toEqual(['2026-01-31T08:00:00Z'])
  })

  it('with two instants at the same time of day advances by days, and keeps the time of day', () => {
    expect(all('R3/2026-03-28T12:00:00/2026-03-29T12:00:00', { timezone: 'Europe/Berlin' })).toEqual([
      '2026-03-28T11:00:00Z',
      '2026-03-29T10:00:00Z',
      '2026-03-30T10:00:00Z',
    ])
  })

  it('with two instants at different times of day advances by the exact time between them', () => {
    expect(all('R3/2026-03-28T12:00:00/2026-03-29T13:30:00', { timezone: 'Europe/Berlin' })).toEqual([
      '2026-03-28T11:00:00Z',
      '2026-03-29T11:30:00Z',
      '2026-03-30T12:00:00Z',
    ])
  })

  it('with a period and an end is counted back from the end, which is its last instant', () => {
    expect(all('R3/P1M/2026-05-31T00:00:00Z')).toEqual([
      '2026-03-31T00:00:00Z',
      '2026-04-30T00:00:00Z',
      '2026-05-31T00:00:00Z',
    ])
    const daily = iso8601('R/P1D/2026-05-31T00:00:00Z')
    expect(daily.previous('1950-01-01T12:00:00Z')?.toISOString()).toBe('1950-01-01T00:00:00.000Z')
    expect(daily.next('2026-05-31T00:00:00Z')).toBeNull()
  })

  it('with only a period is counted from the option start', () => {
    expect(all('PT6H', { start: '2026-01-01T01:00:00Z', end: '2026-01-01T13:00:00Z' })).toEqual([
      '2026-01-01T01:00:00Z',
      '2026-01-01T07:00:00Z',
      '2026-01-01T13:00:00Z',
    ])
    expect(all('R2/P3W', { start: '2026-01-01T01:00:00', timezone: 'Asia/Tokyo' })).toEqual([
      '2025-12-31T16:00:00Z',
      '2026-01-21T16:00:00Z',
    ])
  })

  it('with only a period and no option start is counted from 1970-01-01T00:00:00 in its zone', () => {
    expect(iso8601('PT6H').next('2026-01-01T01:00:00Z')?.toISOString()).toBe('2026-01-01T06:00:00.000Z')
    expect(iso8601('P1D', { timezone: 'Asia/Tokyo' }).next('2026-01-01T01:00:00Z')?.toISOString()).toBe(
      '2026-01-01T15:00:00.000Z',
    )
    expect(iso8601('P3W').next('2026-01-01T00:00:00Z')?.toISOString()).toBe('2026-01-22T00:00:00.000Z')
    expect(iso8601('PT6H').previous('1970-01-01T00:00:00Z')).toBeNull()
  })

  it('fires only in its window, including both bounds, and counts its steps from its own start', () => {
    expect(all('R4/2026-01-01T00:00:00Z/P1D', { start: '2026-01-02T00:00:00Z', end: '2026-01-03T00:00:00Z' })).toEqual([
      '2026-01-02T00:00:00Z',
      '2026-01-03T00:00:00Z',
    ])
    expect(all('R4/2026-01-01T00:00:00Z/P1D', { start: '2026-01-01T00:00:01Z' })).toHaveLength(3)
  })

  it('adds the calendar part of a mixed period first, and then the exact part', () => {
    expect(all('R3/2026-03-28T00:00:00/P1DT12H', { timezone: 'Europe/Berlin' })).toEqual([
      '2026-03-27T23:00:00Z',
      '2026-03-29T11:00:00Z',
      '2026-03-30T22:00:00Z',
    ])
  })

  it('describes its period, start and zone in words', () => {
    expect(iso8601('R5/2026-01-31T00:00:00/P1M', { timezone: 'Europe/Berlin' }).describe()).toBe(
      'every month from 2026-01-31T00:00:00, 5 times, Europe/Berlin',
    )
    expect(iso8601('PT6H').describe()).toBe('every 6 hours from 1970-01-01T00:00:00, UTC')
    expect(iso8601('R/P2W/2026-05-31').describe()).toBe('every 2 weeks up to 2026-05-31, UTC')
    expect(iso8601('P1Y2M3DT4H5M6S').describe()).toBe(
      'every 14 months, 3 days, 4 hours, 5 minutes and 6 seconds from 1970-01-01T00:00:00, UTC',
    )
    expect(iso8601('R1/2026-01-31/P2Y', { start: 0, end: '2027-01-01T00:00:00Z' }).describe()).toBe(
      'every 2 years from 2026-01-31, once, UTC, not before 1970-01-01T00:00:00Z, until 2027-01-01T00:00:00Z',
    )
    expect(iso8601('PT0.25S').describe()).toBe('every 250 milliseconds from 1970-01-01T00:00:00, UTC')
    expect(iso8601('P1Y2M3W4DT5H6M7.008S').describe()).toBe(
      'every 14 months, 25 days, 5 hours, 6 minutes, 7 seconds and 8 milliseconds from 1970-01-01T00:00:00, UTC',
    )
    expect(iso8601('PT1H0.001S').describe()).toBe('every 1 hour and 1 millisecond from 1970-01-01T00:00:00, UTC')
    expect(iso8601('PT0.2500S').describe()).toBe('every 250 milliseconds from 1970-01-01T00:00:00, UTC')
    expect(iso8601('PT1.5S').describe()).toBe('every 1 second and 500 milliseconds from 1970-01-01T00:00:00, UTC')
  })
})

describe('a serialized interval', () => {
  it.each<[string, Iso8601Options]>([
    ['R5/2026-01-31T00:00:00/P1M', { timezone: 'Europe/Berlin' }],
    ['PT6H', { start: '2026-01-01T01:00:00', end: Date.UTC(2026, 5, 1), timezone: 'Asia/Tokyo' }],
    ['P1D', {}],
  ])('of the text %s with the options %o is loaded as an equal schedule', (interval, options) => {
    const schedule = iso8601(interval, options)
    const stored = JSON.parse(JSON.stringify(schedule)) as SerializedSchedule
    const revived = iso8601Type.revive(stored)
    expect(revived.toJSON()).toEqual(stored)
    expect(revived.type).toBe(iso8601Type)
    expect(revived.describe()).toBe(schedule.describe())
    expect(revived.next('2026-02-10T00:00:00Z')).toEqual(schedule.next('2026-02-10T00:00:00Z'))
  })

  it('is refused if its type or version is not the one of this package', () => {
    for (const stored of [
      { type: 'cron', interval: 'PT6H' },
      { type: 'iso8601' },
      { type: 'iso8601', interval: 6 },
      { type: 'iso8601', interval: 'PT6H', anchor: 'epoch' },
    ]) {
      expect(() => iso8601Type.revive(stored)).toThrow(
        expect.toSatisfy((error) => JobistemerError.isInstance(error, 'INVALID_SCHEDULE')),
      )
    }
  })
})

describe('an ISO 8601 interval without a time zone', () => {
  it('uses the time zone of its job', () => {
    const daily = iso8601('R/2026-01-01T09:00:00/P1D', { end: '2026-06-01T00:00:00' })
    if (!('bind' in daily)) throw new Error('It has a time zone')
    expect(daily.next(0)?.toISOString()).toBe('2026-01-01T09:00:00.000Z')
    const bound = daily.bind({ jobName: 'report', timezone: 'Asia/Tokyo' })
    expect(bound.next(0)?.toISOString()).toBe('2026-01-01T00:00:00.000Z')
    expect(bound.previousMs(Number.POSITIVE_INFINITY)).toBe(Date.parse('2026-05-31T00:00:00Z'))
    expect('bind' in bound).toBe(false)
    expect(daily.bind({ jobName: 'report' }).toJSON()).toMatchObject({ timezone: 'UTC' })
  })
})

describe('an invalid ISO 8601 interval', () => {
  it.each([
    ['', 'interval'],
    ['R', 'interval'],
    ['R5', 'interval'],
    ['R5/', 'interval'],
    ['tomorrow', 'interval'],
    ['2026-01-01/P1D', 'interval'],
    ['R/2026-01-01/P1D/P1D', 'interval'],
    ['R/P1D/P1D', 'interval'],
    ['r/2026-01-01/P1D', 'interval'],
    ['Rx/2026-01-01/P1D', 'interval'],
    ['R1.5/2026-01-01/P1D', 'interval'],
    ['R9999999999999/2026-01-01/P1D', 'interval'],
    ['R5/PT6H', 'interval'],
    ['R/2026-13-01/P1D', 'interval'],
    ['R3/10:00/P1D', 'interval'],
    ['R3/10:00:00/P1D', 'interval'],
    ['R/P1D/10:00', 'interval'],
    ['R/2026-01/P1D', 'interval'],
    ['R/2026-01-01/02-01', 'interval'],
    ['R/2026-01-01T00:00:00/T06:00', 'interval'],
    ['R/2026-01-02/2026-01-01', 'interval'],
    ['R/2026-01-01/2026-01-01', 'interval'],
    ['R/2026-01-01/P', 'interval.period'],
    ['R/2026-01-01/P1X', 'interval.period'],
    ['R/2026-01-01/-P1D', 'interval.period'],
    ['R/2026-01-01/P-1D', 'interval.period'],
    ['R/2026-01-01/P0D', 'interval.period'],
    ['R/2026-01-01/P1.5D', 'interval.period'],
    ['R/2026-01-01/PT0.0001S', 'interval.period'],
    ['R/2026-01-01/P20000Y', 'interval.period'],
  ])('%s is refused, and the error names the field %s', (interval, field) => {
    expect(refusal(interval)).toEqual({ code: 'INVALID_SCHEDULE', field })
  })

  it.each([
    ['PT0.0001S', 'it is finer than milliseconds'],
    ['PT1.0001S', 'it is finer than milliseconds'],
    ['PT1,25001S', 'it is finer than milliseconds'],
    ['PT0.0000000001H', 'it is finer than milliseconds'],
    ['PT0S', 'it has no length'],
    ['P0D', 'it has no length'],
    ['PT0.0000S', 'it has no length'],
  ])('with the period %s is refused, and the error gives the reason: %s', (period, reason) => {
    expect(() => iso8601(`R/2026-01-01/${period}`)).toThrow(`cannot be used: ${reason}.`)
  })

  it('that is not a string or is very long is refused', () => {
    expect(refusal(6 as never)).toEqual({ code: 'INVALID_SCHEDULE', field: 'interval' })
    expect(refusal(`R/2026-01-01/P${'0'.repeat(200)}1D`)).toEqual({ code: 'INVALID_SCHEDULE', field: 'interval' })
  })

  it('that can never fire is refused', () => {
    expect(refusal('R0/2026-01-01/P1D').code).toBe('SCHEDULE_NEVER_FIRES')
    expect(refusal('R5/2026-01-01/P1D', { start: '2027-01-01' }).code).toBe('SCHEDULE_NEVER_FIRES')
    expect(refusal('R/2026-01-01/P1D', { end: '2025-01-01' }).code).toBe('SCHEDULE_NEVER_FIRES')
  })
})

describe('invalid options of an ISO 8601 interval', () => {
  it.each<[unknown, ErrorCode, string]>([
    [{ tz: 'UTC' }, 'UNKNOWN_OPTION', 'tz'],
    [{ timezone: 'Europe/Atlantis' }, 'INVALID_TIMEZONE', 'timezone'],
    [{ timezone: 5 }, 'INVALID_TIMEZONE', 'timezone'],
    [{ start: 'soon' }, 'INVALID_INSTANT', 'start'],
    [{ end: new Date(Number.NaN) }, 'INVALID_INSTANT', 'end'],
    [{ start: '2026-02-01', end: '2026-01-01' }, 'INVALID_SCHEDULE', 'end'],
  ])('%o are refused with the error %s, which names the option %s', (options, code, field) => {
    expect(refusal('PT6H', options as Iso8601Options)).toEqual({ code, field })
  })

  it('that are not an object are refused', () => {
    expect(refusal('PT6H', 'UTC' as never).code).toBe('INVALID_ARGUMENT')
  })
})

it('an ISO 8601 interval accepts instants with a time zone in brackets', () => {
  const bracketed = iso8601('R2/2026-06-01T09:00+09:00[Asia/Tokyo]/2026-06-02T09:00+09:00[Asia/Tokyo]')
  expect(bracketed.next(new Date('2026-05-01T00:00:00Z'))).toEqual(new Date('2026-06-01T00:00:00Z'))
  expect(() => iso8601('R2/2026-06-01T09:00[Asia/Tokyo]/P1D')).toThrow(/zone|offset/i)
})

it('an ISO 8601 interval of 500 KB is refused before it is parsed, even if it was stored', () => {
  const interval = `R/${'T'.repeat(500_000)}/P1D`
  const refused = { code: 'INVALID_SCHEDULE', field: 'interval', remedy: expect.stringContaining('R5/') }
  expect(() => iso8601(interval)).toThrow(expect.objectContaining(refused))
  expect(() => iso8601Type.revive({ type: 'iso8601', interval })).toThrow(/not a string of at most 200 characters/)
  const start = 'T'.repeat(500_000)
  expect(() => iso8601('PT6H', { start })).toThrow(expect.objectContaining({ code: 'INVALID_INSTANT', field: 'start' }))
  expect(() => iso8601Type.revive({ type: 'iso8601', interval: 'PT6H', start })).toThrow(/start is not an instant/)
})
