import { DateTime } from 'luxon'
import { describe, expect, it } from 'vitest'
import {
  isLocalTime,
  readScheduleOptions,
  readScheduleWindow,
  toZonedInstantMs,
  toZonedInstantText,
} from '../src/schedule/schedule-options.ts'
import { openWindow } from '../src/schedule/windowed-schedule.ts'

describe('an instant in the options of a schedule', () => {
  it.each([
    ['2026-01-31', true],
    ['2026-01-31T02:00', true],
    ['2026-01-31T02:00:00.5', true],
    ['20260131T020000', true],
    ['2026-01-31T02:00:00Z', false],
    ['2026-01-31T02:00:00z', false],
    ['2026-01-31T02:00+01:00', false],
    ['2026-01-31T02:00-0500', false],
    ['2026-01-31T02-05', false],
    ['2026-01-31T11:00+09:00[Asia/Tokyo]', false],
    ['2026-01-31T02:00Z[UTC]', false],
    ['2026-01-31T11:00[Asia/Tokyo]', false],
    [0, false],
    [new Date(0), false],
  ])('counts as a local time if it has no offset and no zone: the text %s gives %s', (input, isLocal) => {
    expect(isLocalTime(input)).toBe(isLocal)
  })

  it('is read in its own time zone, or in the time zone of the schedule if it has none', () => {
    const iso = (input: Parameters<typeof toZonedInstantMs>[0]) =>
      new Date(toZonedInstantMs(input, 'America/New_York', 'start')).toISOString()
    expect(iso('2026-01-31T02:00:00')).toBe('2026-01-31T07:00:00.000Z')
    expect(iso('2026-01-31')).toBe('2026-01-31T05:00:00.000Z')
    expect(iso('2026-01-31T02:00:00Z')).toBe('2026-01-31T02:00:00.000Z')
    expect(iso('2026-01-31T02:00:00+09:00')).toBe('2026-01-30T17:00:00.000Z')
    expect(iso(DateTime.fromISO('2026-01-31T02:00:00', { zone: 'Asia/Tokyo' }))).toBe('2026-01-30T17:00:00.000Z')
    expect(iso('2026-01-31T11:00+09:00[Asia/Tokyo]')).toBe('2026-01-31T02:00:00.000Z')
    expect(iso('2026-01-31T02:00Z[UTC]')).toBe('2026-01-31T02:00:00.000Z')
    // In New York the clock skips the first of these local times, and shows the second local time twice.
    expect(iso('2025-03-09T02:30:00')).toBe('2025-03-09T07:30:00.000Z')
    expect(iso('2025-11-02T01:30:00')).toBe('2025-11-02T05:30:00.000Z')
  })

  it('is serialized in UTC, but a local time is serialized unchanged', () => {
    expect(toZonedInstantText(0, 'start')).toBe('1970-01-01T00:00:00Z')
    expect(toZonedInstantText('2026-01-31T02:00:00+09:00', 'start')).toBe('2026-01-30T17:00:00Z')
    expect(toZonedInstantText('2026-01-31T11:00+09:00[Asia/Tokyo]', 'start')).toBe('2026-01-31T02:00:00Z')
    expect(toZonedInstantText('2026-01-31T02:00', 'start')).toBe('2026-01-31T02:00')
  })

  it('is rejected if it is invalid', () => {
    const refused = expect.objectContaining({ code: 'INVALID_INSTANT', field: 'start' })
    const texts = [
      'soon',
      '2026-02-30',
      '2026-01-31T25:00',
      '09:00',
      '12',
      '0900',
      '2026-01',
      '2026-01-31T11:00[Asia/Tokyo]',
    ]
    for (const bad of [...texts, Number.NaN, new Date(Number.NaN)]) {
      expect(() => toZonedInstantMs(bad, 'Europe/Berlin', 'start')).toThrow(refused)
      expect(() => toZonedInstantText(bad, 'start')).toThrow(refused)
    }
  })
})

describe('the window of a schedule', () => {
  it('has no bounds if the schedule has neither start nor end', () => {
    expect(readScheduleWindow({}, 'UTC')).toBe(openWindow)
    expect(readScheduleWindow({ start: 5 }, 'UTC')).toEqual({ startMs: 5, endMs: Number.POSITIVE_INFINITY })
    expect(readScheduleWindow({ end: 5 }, 'UTC')).toEqual({ startMs: Number.NEGATIVE_INFINITY, endMs: 5 })
  })

  it('may contain a single instant, but may not end before it starts', () => {
    expect(readScheduleWindow({ start: 5, end: 5 }, 'UTC')).toEqual({ startMs: 5, endMs: 5 })
    expect(() => readScheduleWindow({ start: 5, end: 4 }, 'UTC')).toThrow(
      expect.objectContaining({ code: 'INVALID_SCHEDULE', field: 'end' }),
    )
  })
})

describe('readScheduleOptions', () => {
  it('rejects options that are not an object or have an unknown member', () => {
    expect(readScheduleOptions({ start: 5 }, ['start'])).toEqual({ start: 5 })
    expect(() => readScheduleOptions({ start: 5 }, ['end'])).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_OPTION', field: 'start', value: 5 }),
    )
    expect(() => readScheduleOptions(null as never, ['end'])).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})
