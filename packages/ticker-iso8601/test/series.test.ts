import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { iso8601 } from '../src/index.ts'

const hour = 3_600_000
const day = 86_400_000

const zones = ['UTC', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'America/Sao_Paulo', 'Asia/Kathmandu']

interface Step {
  readonly months: number
  readonly days: number
  readonly hours: number
}

/** Returns the local time of a zone at an instant, in ms as if the local time were UTC. */
function localTimeAt(timezone: string, at: number): number {
  return Date.parse(`${new Date(at).toLocaleString('sv-SE', { timeZone: timezone }).replace(' ', 'T')}Z`)
}

/**
 * Computes start + n × step without the product's code. Adds the step on the calendar with `Date`, and then finds the
 * instant by the offsets of Intl.
 */
function instantByHand(timezone: string, startLocal: number, { months, days, hours }: Step, n: number): number {
  const start = new Date(startLocal)
  const month = start.getUTCMonth() + months * n
  const lastDay = new Date(Date.UTC(start.getUTCFullYear(), month + 1, 0)).getUTCDate()
  const local =
    Date.UTC(start.getUTCFullYear(), month, Math.min(start.getUTCDate(), lastDay) + days * n) + (startLocal % day)
  const offsets = [-36, -18, 0, 18, 36].map(
    (hours) => localTimeAt(timezone, local + hours * hour) - local - hours * hour,
  )
  const shown = [...new Set(offsets)]
    .map((offset) => local - offset)
    .filter((at) => localTimeAt(timezone, at) === local)
    .sort((left, right) => left - right)
  const before = local - day
  const at = shown[0] ?? local - (localTimeAt(timezone, before) - before)
  return at + hours * n * hour
}

describe('the instants of an ISO 8601 interval', () => {
  it('equal the start of the interval plus n steps, for n = 0, 1, 2 and so on, from any start', () => {
    const scene = fc.record({
      timezone: fc.constantFrom(...zones),
      // Local times around the changes of 2011, when Apia skipped a whole day.
      startLocal: fc
        .integer({ min: Date.UTC(2011, 0, 1) / (hour / 4), max: Date.UTC(2012, 11, 31) / (hour / 4) })
        .map((quarters) => (quarters * hour) / 4),
      step: fc
        .record({
          months: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 14 })),
          days: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
          hours: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 30 }) }),
        })
        .filter(({ months, days, hours }) => months + days > 0 || hours > 0),
    })
    fc.assert(
      fc.property(scene, fc.double({ min: 0, max: 1, noNaN: true }), ({ timezone, startLocal, step }, where) => {
        const text = new Date(startLocal).toISOString().slice(0, 19)
        const period = `P${step.months}M${step.days}DT${step.hours}H`
        const count = 12
        const schedule = iso8601(`R${count}/${text}/${period}`, { timezone })
        const isExact = step.months + step.days === 0
        const first = instantByHand(timezone, startLocal, step, 0)
        const byHand = Array.from({ length: count }, (_, n) =>
          isExact ? first + n * step.hours * hour : instantByHand(timezone, startLocal, step, n),
        )
        const expected = [...new Set(byHand)].sort((left, right) => left - right)
        expect([...schedule.between(0, Date.UTC(2100, 0, 1))].map(Number)).toEqual(expected)

        const from =
          (expected[0] as number) -
          day +
          Math.floor(where * ((expected.at(-1) as number) - (expected[0] as number) + 2 * day))
        expect(schedule.nextMs(from)).toBe(expected.find((at) => at > from) ?? null)
        expect(schedule.previousMs(from)).toBe(expected.findLast((at) => at < from) ?? null)
        for (const at of expected) {
          expect(schedule.nextMs(at - 1)).toBe(at)
          expect(schedule.previousMs(at + 1)).toBe(at)
        }
      }),
      { numRuns: 150 },
    )
  })

  it('are exact after millions of steps', () => {
    const start = Date.UTC(2026, 0, 1)
    const thirds = iso8601('R/2026-01-01T00:00:00Z/PT0.333S')
    expect(thirds.nextMs(start + 333 * 50_000_000)).toBe(start + 333 * 50_000_001)
    expect(thirds.nextMs(start + 333 * 50_000_001 - 1)).toBe(start + 333 * 50_000_001)
    expect(thirds.previousMs(start + 333 * 50_000_001)).toBe(start + 333 * 50_000_000)

    const days = iso8601('R/0001-01-01T12:00:00/P1D', { timezone: 'Europe/Berlin' })
    expect(days.next('9000-06-15T12:00:00Z')?.toISOString()).toBe('9000-06-16T10:00:00.000Z')
    expect(days.previous('9000-06-15T10:00:00Z')?.toISOString()).toBe('9000-06-14T10:00:00.000Z')

    const counted = iso8601('R5000000/2026-01-01T00:00:00Z/PT1S')
    expect(counted.previousMs(Number.POSITIVE_INFINITY)).toBe(start + 4_999_999 * 1000)
    expect(counted.nextMs(start + 4_999_998 * 1000)).toBe(start + 4_999_999 * 1000)
    expect(counted.nextMs(start + 4_999_999 * 1000)).toBeNull()
  })

  it('stay on the last day of the month if the start is the last day of a month with 31 days', () => {
    const monthly = iso8601('R/2024-01-31T00:00:00/P1M')
    const year = [...monthly.between('2024-01-01T00:00:00Z', '2025-01-01T00:00:00Z')]
    expect(year.map((at) => at.toISOString().slice(5, 10))).toEqual([
      '01-31',
      '02-29',
      '03-31',
      '04-30',
      '05-31',
      '06-30',
      '07-31',
      '08-31',
      '09-30',
      '10-31',
      '11-30',
      '12-31',
    ])
  })

  it('contain an instant once if a skipped day makes two steps fall on this instant; both steps count as repetitions', () => {
    const daily = iso8601('R4/2011-12-29T02:00:00/P1D', { timezone: 'Pacific/Apia' })
    expect([...daily.between(0, Date.UTC(2020, 0, 1))].map((at) => at.toISOString())).toEqual([
      '2011-12-29T12:00:00.000Z',
      '2011-12-30T12:00:00.000Z',
      '2011-12-31T12:00:00.000Z',
    ])
  })

  it('have the written time of day, even if the interval begins at a local time that summer time skips', () => {
    const daily = iso8601('R3/2026-03-29T02:30:00/P1D', { timezone: 'Europe/Berlin' })
    expect([...daily.between(0, Date.UTC(2030, 0, 1))].map((at) => at.toISOString())).toEqual([
      '2026-03-29T01:30:00.000Z',
      '2026-03-30T00:30:00.000Z',
      '2026-03-31T00:30:00.000Z',
    ])
  })

  it('start at the second of two equal local times if the start has the offset of the second local time', () => {
    const daily = iso8601('R2/2025-11-02T01:30:00-05:00/P1D', { timezone: 'America/New_York' })
    expect([...daily.between(0, Date.UTC(2030, 0, 1))].map((at) => at.toISOString())).toEqual([
      '2025-11-02T06:30:00.000Z',
      '2025-11-03T06:30:00.000Z',
    ])
  })

  it('use the first of two equal local times, whatever the season of the start', () => {
    for (const start of ['2025-01-15T01:30:00', '2025-07-15T01:30:00']) {
      const daily = iso8601(`R/${start}/P1D`, { timezone: 'America/New_York' })
      expect(daily.next('2025-11-02T00:00:00Z')?.toISOString()).toBe('2025-11-02T05:30:00.000Z')
      expect(daily.next('2025-11-02T05:30:00Z')?.toISOString()).toBe('2025-11-03T06:30:00.000Z')
    }
  })

  it('lie in the years 1 to 9999', () => {
    const millennia = iso8601('R/2000-01-01T00:00:00Z/P1000Y')
    expect(millennia.next('8999-01-01T00:00:00Z')?.toISOString()).toBe('9000-01-01T00:00:00.000Z')
    expect(millennia.next('9000-01-01T00:00:00Z')).toBeNull()
    expect(millennia.nextMs(Number.POSITIVE_INFINITY)).toBeNull()
    expect(millennia.previousMs(Number.NEGATIVE_INFINITY)).toBeNull()
    expect(iso8601('R/P1D/9999-12-31T00:00:00Z').nextMs(Number.NEGATIVE_INFINITY)).toBe(
      Date.parse('0001-01-01T00:00:00Z'),
    )
  })
})
