import { describe, expect, it } from 'vitest'
import { distance, duration, fieldTime, instantOf, localTime } from '../src/page/times.ts'

const berlin = 'Europe/Berlin'

describe('the text in a date field of the dashboard', () => {
  it.each([
    ['2026-01-31T02:00', berlin, '2026-01-31T01:00:00.000Z'],
    ['2026-07-31T02:00:30', berlin, '2026-07-31T00:00:30.000Z'],
    ['2026-01-31T02:00', 'UTC', '2026-01-31T02:00:00.000Z'],
    ['2026-01-31T02:00', 'Asia/Kathmandu', '2026-01-30T20:15:00.000Z'],
    // `instantOf` also returns an instant for a local time that the clocks skip or show twice.
    ['2026-03-29T03:30', berlin, '2026-03-29T01:30:00.000Z'],
    ['2026-10-25T04:30', berlin, '2026-10-25T03:30:00.000Z'],
    ['soon', berlin, null],
    ['2026-13-01T00:00', berlin, null],
  ])('%s in the time zone %s means the instant %s', (text, zone, expected) => {
    expect(instantOf(text, zone)).toBe(expected)
  })

  it('represents an instant to the minute: the dashboard reads back the instant that it has written into the field', () => {
    for (let day = 0; day < 366; day++) {
      const at = Date.UTC(2026, 0, 1) + day * 86_400_000 + 45_000 * day
      for (const zone of [berlin, 'America/New_York', 'Australia/Lord_Howe', 'UTC']) {
        const again = Date.parse(instantOf(fieldTime(at, zone), zone) as string)
        // When the clocks are set back, a local time occurs twice, and `instantOf` may return either instant. In these time
        // zones, the two instants are 30 or 60 minutes apart. So the difference must be a multiple of 30 minutes.
        expect(Math.abs(Math.floor(at / 60_000) * 60_000 - again) % 1_800_000).toBe(0)
      }
    }
  })
})

it('an unknown time zone is shown as UTC in the dashboard', () => {
  expect(localTime(0, 'Nowhere/Else')).toEqual({ date: '1970-01-01', time: '00:00:00', weekday: 'Thu', offset: 'UTC' })
})

it.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [1500, '1.5 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_660_000, '1 h 1 min'],
  [36_060_000, '10 h'],
  [90_000_000, '1 d 1 h'],
])('the dashboard shows the duration %i ms as %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})

it.each([
  [1000, 1000, 'now'],
  [61_000, 1000, 'in 1 min'],
  [1000, 3_601_000, '1 h ago'],
  [5400, 1000, 'in 4 s'],
])('the dashboard shows the instant %i, if the present time is %i, as %s', (at, now, text) => {
  expect(distance(at, now)).toBe(text)
})
