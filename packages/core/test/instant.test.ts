import fc from 'fast-check'
import { DateTime } from 'luxon'
import { describe, expect, it } from 'vitest'
import { toInstantMs, toInstantText } from '../src/instant.ts'
import type { InstantInput } from '../src/schedule/schedule.ts'
import { refusalOf } from './support/thrown-by.ts'

const at = Date.UTC(2026, 0, 31, 2, 0, 0)

describe('an instant option', () => {
  it.each<[string, InstantInput]>([
    ['a Date', new Date(at)],
    ['epoch milliseconds', at],
    ['RFC 3339 in UTC', '2026-01-31T02:00:00Z'],
    ['RFC 3339 with an offset', '2026-01-31T03:00:00+01:00'],
    ['ISO 8601 in its basic form', '20260131T020000Z'],
    ['a string without an offset, which is UTC', '2026-01-31T02:00:00'],
    ['an ordinal date', '2026-031T02:00Z'],
    ['an ordinal date in the basic form', '2026031T0200Z'],
    ['a week date', '2026-W05-6T02:00Z'],
    ['a week date in the basic form', '2026W056T0200Z'],
    ['a year of six digits', '+002026-01-31t02:00z'],
    ['an offset and the zone that has it', '2026-01-31T11:00:00+09:00[Asia/Tokyo]'],
    ['an offset and a zone that is an offset', '2026-01-31T11:00:00+09:00[+09:00]'],
    ['UTC and its zone', '2026-01-31T02:00:00Z[UTC]'],
    ['UTC and another zone, whose offset it leaves open', '2026-01-31T02:00:00Z[Asia/Tokyo]'],
    ['a luxon DateTime of any zone', DateTime.fromMillis(at, { zone: 'America/Vancouver' })],
    ['whatever has toMillis', { toMillis: () => at }],
  ])('accepts an instant in the form of %s', (_, input) => {
    expect(toInstantMs(input)).toBe(at)
  })

  it('in ISO 8601 in UTC means the same instant as in luxon, and is refused if luxon refuses it', () => {
    const two = fc.integer({ min: 0, max: 70 }).map((number) => String(number).padStart(2, '0'))
    const fraction = fc.constantFrom('', '.5', '.25', '.125')
    fc.assert(
      fc.property(fc.tuple(two, two, two, two, two), fraction, ([month, day, hour, minute, second], rest) => {
        const text = `2024-${month}-${day}T${hour}:${minute}:${second}${rest}Z`
        const expected = DateTime.fromISO(text, { zone: 'utc' }).toMillis()
        if (Number.isNaN(expected)) expect(() => toInstantMs(text)).toThrow()
        else expect(toInstantMs(text)).toBe(expected)
      }),
      { numRuns: 2000 },
    )
    for (let day = 27; day <= 32; day++) {
      for (const month of ['02', '04', '12']) {
        for (const hour of ['00', '24', '25']) {
          const text = `2023-${month}-${day}T${hour}:00:00Z`
          const expected = DateTime.fromISO(text, { zone: 'utc' }).toMillis()
          if (Number.isNaN(expected)) expect(() => toInstantMs(text)).toThrow()
          else expect(toInstantMs(text)).toBe(expected)
        }
      }
    }
  })

  it('that is only a date means the first millisecond of this date in UTC', () => {
    expect(toInstantMs('2026-01-31')).toBe(Date.UTC(2026, 0, 31))
  })

  it('is truncated to whole milliseconds', () => {
    expect(toInstantMs(1.9)).toBe(1)
    expect(toInstantMs(-1.9)).toBe(-1)
    expect(toInstantMs('2026-01-31T02:00:00.0009Z')).toBe(at)
  })

  it.each<[string, unknown]>([
    ['an invalid Date', new Date(Number.NaN)],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a number that no Date can hold', 8_640_000_000_000_001],
    ['an empty string', ''],
    ['prose', 'tomorrow'],
    ['the thirty-first of February', '2026-02-31T00:00:00Z'],
    ['a time of day', '09:00'],
    ['a time of day with its designator', 'T09:00Z'],
    ['an hour', '12'],
    ['a time of day in the basic form, which would be a year', '0900'],
    ['a time of day with an offset, which would be a date', '121005-05'],
    ['a year', '2026'],
    ['a month', '2026-06'],
    ['a month of a year of six digits', '+012026-06'],
    ['a week', '2026-W23'],
    ['a day of a month', '02-01'],
    ['a month with a time', '2026-06T09:00Z'],
    ['an offset that no place has', '2026-01-31T11:00:00+15:00'],
    ['an offset of sixty minutes', '2026-01-31T11:00:00+0260'],
    ['an offset that its zone does not have', '2026-01-31T11:00:00+08:00[Asia/Tokyo]'],
    ['an offset that its zone has at another time of the year', '2026-06-01T09:00:00-05:00[America/New_York]'],
    ['a zone that does not exist', '2026-01-31T11:00:00+09:00[Asia/Atlantis]'],
    ['a zone without an offset', '2026-01-31T11:00:00[Asia/Tokyo]'],
    ['the zone of whatever machine', '2026-01-31T02:00:00Z[local]'],
    ['a date with a zone', '2026-01-31[Asia/Tokyo]'],
    ['two zones', '2026-01-31T11:00:00+09:00[Asia/Tokyo][Asia/Seoul]'],
    ['an invalid DateTime', DateTime.invalid('test')],
    ['null', null],
    ['undefined', undefined],
    ['a boolean', true],
    ['an object without toMillis', {}],
    ['a bigint', 5n],
  ])('refuses a value that is no instant with INVALID_INSTANT: %s', (_, input) => {
    expect(refusalOf(() => toInstantMs(input as InstantInput, 'after'))).toEqual({
      code: 'INVALID_INSTANT',
      field: 'after',
      value: input,
    })
  })
})

describe('the stored text of an instant', () => {
  it.each([
    [0, '1970-01-01T00:00:00Z'],
    [20_000, '1970-01-01T00:00:20Z'],
    [20_250, '1970-01-01T00:00:20.25Z'],
    [20_500, '1970-01-01T00:00:20.5Z'],
    [20_005, '1970-01-01T00:00:20.005Z'],
    [20_010, '1970-01-01T00:00:20.01Z'],
    [-1, '1969-12-31T23:59:59.999Z'],
    [-1000, '1969-12-31T23:59:59Z'],
    [-500, '1969-12-31T23:59:59.5Z'],
  ])('of %i ms after 1970-01-01T00:00:00Z is %s', (milliseconds, text) => {
    expect(toInstantText(milliseconds)).toBe(text)
  })

  it('has no fraction digits that are zero', () => {
    const instants = fc.date({
      noInvalidDate: true,
      min: new Date('0000-01-01T00:00:00Z'),
      max: new Date('9999-12-31'),
    })
    fc.assert(
      fc.property(instants, (date) => {
        const text = toInstantText(date)
        expect(Date.parse(text)).toBe(date.getTime())
        expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{0,2}[1-9])?Z$/)
      }),
    )
  })
})
