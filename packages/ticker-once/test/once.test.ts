import { type ErrorCode, JobistemerError } from '@jobistemer/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type OnceOptions, once, onceType } from '../src/index.ts'

describe('a schedule of one instant', () => {
  it('returns the instant as `next` of each earlier instant, and as `previous` of each later instant', () => {
    const instant = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 })
    fc.assert(
      fc.property(instant, instant, (at, asked) => {
        const schedule = once(at)
        expect(schedule.nextMs(asked)).toBe(asked < at ? at : null)
        expect(schedule.previousMs(asked)).toBe(asked > at ? at : null)
        expect(schedule.nextMs(at)).toBeNull()
        expect(schedule.previousMs(at)).toBeNull()
        expect([...schedule.between(Math.min(at, asked), Math.max(at, asked))].map(Number)).toEqual(
          asked > at ? [at] : [],
        )
      }),
    )
  })

  it('accepts the instant as a text, a number, a Date or an object with `toMillis`', () => {
    const expected = new Date('2026-06-01T09:00:00.250Z')
    for (const at of [
      '2026-06-01T09:00:00.25Z',
      '2026-06-01T11:00:00.250+02:00',
      '2026-06-01T18:00:00.25+09:00[Asia/Tokyo]',
      '2026-06-01T09:00:00.25Z[UTC]',
      expected.getTime(),
      new Date(expected),
      { toMillis: () => expected.getTime() },
    ]) {
      expect(once(at).at).toEqual(expected)
    }
  })

  it('does not change if the Date from which it was made changes', () => {
    const date = new Date('2026-06-01T09:00:00Z')
    const schedule = once(date)
    date.setUTCFullYear(2030)
    expect(schedule.next(0)?.toISOString()).toBe('2026-06-01T09:00:00.000Z')
  })

  it('reads a local time in its time zone', () => {
    expect(once('2026-06-01T09:00', { timezone: 'Asia/Tokyo' }).at.toISOString()).toBe('2026-06-01T00:00:00.000Z')
    expect(once('2026-06-01', { timezone: 'Asia/Tokyo' }).at.toISOString()).toBe('2026-05-31T15:00:00.000Z')
    expect(once('2026-06-01T09:00Z', { timezone: 'Asia/Tokyo' }).at.toISOString()).toBe('2026-06-01T09:00:00.000Z')
    expect(once('2026-06-01T09:00').at.toISOString()).toBe('2026-06-01T09:00:00.000Z')
  })

  it('accepts a time zone in brackets after an offset, whatever its own time zone is', () => {
    for (const timezone of ['UTC', 'America/New_York', 'Asia/Tokyo']) {
      const schedule = once('2026-06-01T09:00+09:00[Asia/Tokyo]', { timezone })
      expect(schedule.at.toISOString()).toBe('2026-06-01T00:00:00.000Z')
      expect(schedule.toJSON()).toEqual({ type: 'once', at: '2026-06-01T00:00:00Z', timezone })
    }
  })

  it('moves a local time that the clock skips to a later time; uses the first of two equal local times', () => {
    const options = { timezone: 'America/New_York' }
    expect(once('2025-03-09T02:30:00', options).at.toISOString()).toBe('2025-03-09T07:30:00.000Z')
    expect(once('2025-11-02T01:30:00', options).at.toISOString()).toBe('2025-11-02T05:30:00.000Z')
  })

  it('uses the time zone of its job for a local time if the schedule has no time zone', () => {
    const unbound = once('2026-06-01T09:00')
    if (!('bind' in unbound)) throw new Error('It has a time zone')
    const bound = unbound.bind({ jobName: 'launch', timezone: 'Asia/Tokyo' })
    expect(bound.at.toISOString()).toBe('2026-06-01T00:00:00.000Z')
    expect('bind' in bound).toBe(false)
    expect(unbound.bind({ jobName: 'launch' }).at.toISOString()).toBe('2026-06-01T09:00:00.000Z')
    expect('bind' in once('2026-06-01T09:00Z')).toBe(false)
    expect('bind' in once(0)).toBe(false)
  })

  it('describes its instant and zone in words', () => {
    expect(once('2026-06-01T09:00:00Z').describe()).toBe('once at 2026-06-01T09:00:00Z')
    expect(once('2026-06-01T09:00', { timezone: 'Asia/Tokyo' }).describe()).toBe('once at 2026-06-01T09:00, Asia/Tokyo')
    expect(once('2026-06-01T09:00').describe()).toBe('once at 2026-06-01T09:00, UTC')
  })
})

describe('a serialized schedule of one instant', () => {
  it.each<[string | number, OnceOptions]>([
    ['2026-06-01T09:00:00Z', {}],
    ['2026-06-01T09:00:00Z', { timezone: 'Asia/Tokyo' }],
    ['2026-06-01T09:00', { timezone: 'Asia/Tokyo' }],
    ['2026-06-01T09:00', {}],
    [250, {}],
  ])('of the instant %s with the options %o is loaded as an equal schedule', (at, options) => {
    const schedule = once(at, options)
    const stored = JSON.parse(JSON.stringify(schedule))
    const revived = onceType.revive(stored)
    expect(revived.toJSON()).toEqual(stored)
    expect(revived.type).toBe(onceType)
    expect(revived.next(0)).toEqual(schedule.next(0))
    expect('bind' in revived).toBe('bind' in schedule)
  })

  it('is refused if its type or version is not the one of this package', () => {
    for (const stored of [
      { type: 'cron', at: '2026-06-01T09:00:00Z' },
      { type: 'once' },
      { type: 'once', at: 5 },
      { type: 'once', at: '2026-06-01', timezone: 5 },
      { type: 'once', at: '2026-06-01', until: '2026-07-01' },
    ]) {
      expect(() => onceType.revive(stored)).toThrow(
        expect.toSatisfy((error) => JobistemerError.isInstance(error, 'INVALID_SCHEDULE')),
      )
    }
  })
})

describe('an invalid call of `once`', () => {
  it.each<[unknown, unknown, ErrorCode, string]>([
    ['tomorrow', {}, 'INVALID_INSTANT', 'at'],
    [undefined, {}, 'INVALID_INSTANT', 'at'],
    [new Date(Number.NaN), {}, 'INVALID_INSTANT', 'at'],
    ['2026-06-31', {}, 'INVALID_INSTANT', 'at'],
    ['09:00', {}, 'INVALID_INSTANT', 'at'],
    ['0900', {}, 'INVALID_INSTANT', 'at'],
    ['2026-06-01T09:00[Asia/Tokyo]', {}, 'INVALID_INSTANT', 'at'],
    ['2026-06-01T09:00+08:00[Asia/Tokyo]', {}, 'INVALID_INSTANT', 'at'],
    [0, { timezone: 'Europe/Atlantis' }, 'INVALID_TIMEZONE', 'timezone'],
    ['2026-06-01', { timezone: 'Europe/Atlantis' }, 'INVALID_TIMEZONE', 'timezone'],
    [0, { start: 0 }, 'UNKNOWN_OPTION', 'start'],
  ])(
    'with the instant %s and the options %o is refused with the error %s, which names the field %s',
    (at, options, code, field) => {
      try {
        once(at as string, options as OnceOptions)
      } catch (error) {
        if (!JobistemerError.isInstance(error)) throw error
        expect([error.code, error.field]).toEqual([code, field])
        expect(error.remedy).toMatch(/\S/)
        return
      }
      throw new Error('It was accepted')
    },
  )
})

describe('a text of 500 KB that is passed to `once`', () => {
  const long = 'T'.repeat(500_000)

  it('is refused as an instant before it is parsed', () => {
    const refused = { code: 'INVALID_INSTANT', field: 'at', value: long, remedy: expect.stringContaining('100') }
    expect(() => once(long)).toThrow(expect.objectContaining(refused))
    expect(() => onceType.revive({ type: 'once', at: long })).toThrow(expect.objectContaining(refused))
  })

  it('is refused as a time zone, and is shortened in the message', () => {
    const refused = { code: 'INVALID_TIMEZONE', field: 'timezone', remedy: expect.stringContaining('100') }
    expect(() => once('2026-06-01T09:00', { timezone: long })).toThrow(expect.objectContaining(refused))
    expect(() => once(long)).toThrow(/^.{0,400}$/)
  })
})

describe('a local time whose offset was very different from the present offset', () => {
  it.each([
    ['2011-09-24T02:59', '2011-09-24T13:59:00.000Z'],
    ['2011-09-24T03:30', '2011-09-24T14:30:00.000Z'],
    ['2011-09-24T04:00', '2011-09-24T14:00:00.000Z'],
    ['2011-12-29T23:59', '2011-12-30T09:59:00.000Z'],
    ['2011-12-30T12:00', '2011-12-30T22:00:00.000Z'],
    ['2011-12-31T00:00', '2011-12-30T10:00:00.000Z'],
    ['2012-04-01T03:30', '2012-03-31T13:30:00.000Z'],
  ])('%s in Samoa is the instant %s', (text, instant) => {
    expect(once(text, { timezone: 'Pacific/Apia' }).at.toISOString()).toBe(instant)
  })
})
