import { describe, expect, it } from 'vitest'
import { type CronDstOptions, cron } from '../src/index.ts'
import type { Rules } from './brute-force.ts'
import { isThorough } from '../../workspace/test-effort.ts'
import { allZones, type OffsetChange, offsetChanges } from './reference-zone.ts'

const fromYear = 2000
const toYear = 2037
const day = 86_400

const fixed: Rules = { gap: 'shift', fold: 'first' }
const elapsed: Rules = { gap: 'skip', fold: 'both' }

interface Case {
  readonly expression: string
  readonly dst?: CronDstOptions
  readonly rules: Rules
  /**
   * Number of minutes to check before and after an offset change. The size of the offset change is added to this
   * number.
   */
  readonly margin: number
  /** Returns whether the expression matches this minute of the day. */
  readonly names: (minuteOfDay: number) => boolean
}

const cases: readonly Case[] = [
  { expression: '* * * * *', rules: elapsed, margin: 15, names: () => true },
  { expression: '*/20 * * * *', rules: elapsed, margin: 130, names: (minute) => minute % 20 === 0 },
  { expression: '45 */2 * * *', rules: elapsed, margin: 130, names: (minute) => minute % 120 === 45 },
  { expression: '0 * * * *', rules: elapsed, margin: 130, names: (minute) => minute % 60 === 0 },
  { expression: '0 0 * * *', rules: fixed, margin: 130, names: (minute) => minute === 0 },
  { expression: '15,45 0-3 * * *', rules: fixed, margin: 130, names: (minute) => minute < 240 && minute % 30 === 15 },
  { expression: '30 0-23 * * *', rules: fixed, margin: 130, names: (minute) => minute % 60 === 30 },
  { expression: '0-59 0-23 * * *', rules: fixed, margin: 15, names: () => true },
  ...(['shift', 'skip'] as const).flatMap((gap) =>
    (['first', 'last', 'both'] as const).map((fold) => ({
      expression: '0,10,20,30,40,50 0-23 * * *',
      dst: { gap, fold },
      rules: { gap, fold },
      margin: 40,
      names: (minute: number) => minute % 10 === 0,
    })),
  ),
]

/** Returns the instants in `[from, to)` around one offset change, by checking every minute of the local clock. */
function instantsAround(change: OffsetChange, { rules, names }: Case, from: number, to: number): number[] {
  const { at, before, after } = change
  const instants = new Set<number>()
  const firstLocal = Math.floor((from + Math.min(before, after)) / 60) * 60
  for (let local = firstLocal; local <= to + Math.max(before, after); local += 60) {
    if (!names((((local / 60) % 1440) + 1440) % 1440)) continue
    const candidates = []
    if (local - before < at) candidates.push(local - before)
    if (local - after >= at) candidates.push(local - after)
    if (candidates.length === 0 && rules.gap === 'shift') instants.add(at)
    const [first] = candidates
    const last = candidates.at(-1)
    if (first !== undefined && rules.fold !== 'last') instants.add(first)
    if (last !== undefined && rules.fold !== 'first') instants.add(last)
  }
  return [...instants].filter((instant) => instant >= from && instant < to).sort((left, right) => left - right)
}

/**
 * Returns a function that maps local times of a schedule with fixed times to instants. Callers must pass the local
 * times in ascending order. A repeated time gives its first instant, and a skipped time gives the end of the gap.
 */
function instantFinder(changes: readonly OffsetChange[], firstOffset: number): (local: number) => number {
  let passed = 0
  let offset = firstOffset
  return (local) => {
    for (let change = changes[passed]; change !== undefined; change = changes[passed]) {
      if (local - offset < change.at) break
      if (local - change.after < change.at) return change.at
      offset = change.after
      passed++
    }
    return local - offset
  }
}

const zones = allZones().map((timezone) => ({ timezone, changes: offsetChanges(timezone, fromYear, toYear) }))

/** Groups of zones whose local times are equal in all tested years. The tests use only one zone of each group. */
const twins = new Map<string, typeof zones>()
for (const zone of zones) {
  const key = JSON.stringify([zone.changes, zone.changes.length > 0 || localOffset(zone.timezone)])
  twins.set(key, [...(twins.get(key) ?? []), zone])
}
const distinct = [...twins.values()].map(([zone]) => zone as (typeof zones)[number])

describe('the time zones in this test', () => {
  it('are all time zones that Node.js knows', () => {
    expect(zones.length).toBeGreaterThanOrEqual(Intl.supportedValuesOf('timeZone').length)
    expect(zones.filter(({ changes }) => changes.length > 70).length).toBeGreaterThan(50)
  })

  it('have at least 3.9 days between two changes of their offset, as the table of offsets requires', () => {
    const shortest = zones.flatMap(({ changes }) =>
      changes.slice(1).map((change, index) => change.at - (changes[index] as OffsetChange).at),
    )
    expect(Math.min(...shortest)).toBeGreaterThan(3.9 * day)
  })
})

it('time zones whose clocks always show the same time have the same instants', () => {
  const differing = [...twins.values()].flatMap(([first, ...others]) =>
    others.filter(({ timezone, changes }) => {
      const [one, other] = [first?.timezone ?? '', timezone].map((zone) => cron('5,35 0-23 * * *', { timezone: zone }))
      return [Date.UTC(fromYear, 6, 1) / 1000, ...searched(changes).map(({ at }) => at)].some(
        (at) => one?.nextMs(at * 1000 - 1) !== other?.nextMs(at * 1000 - 1),
      )
    }),
  )
  expect(differing).toEqual([])
  expect(distinct.length).toBeGreaterThan(150)
})

/** The times of day of the daily schedules. In most zones, offset changes skip or repeat one of the first two times. */
const dailyTimes = isThorough ? ['00:00', '02:30', '12:00', '23:59'] : ['00:00', '02:30']

/**
 * Returns the offset changes around which the test of all expressions searches. `npm test` searches around one change of each
 * kind in a zone: equal offsets before and after, and equal local time of day. The daily schedules pass all changes.
 */
function searched(changes: readonly OffsetChange[]): readonly OffsetChange[] {
  if (isThorough) return changes
  const kinds = new Map<string, OffsetChange>()
  for (const change of changes) {
    const { at, before, after } = change
    const kind = `${before} ${after} ${(at + before) % day}`
    if (!kinds.has(kind)) kinds.set(kind, change)
  }
  return [...kinds.values()]
}

describe.each(distinct)(
  'a cron schedule around the offset changes of $timezone from 2000 to 2037',
  ({ timezone, changes }) => {
    it('returns, by each of `next`, `previous` and `between`, the instants that the rules define', () => {
      const problems: string[] = []
      for (const oneCase of cases) {
        const schedule = cron(oneCase.expression, {
          timezone,
          ...(oneCase.dst === undefined ? undefined : { dst: oneCase.dst }),
        })
        for (const change of searched(changes)) {
          const margin = Math.abs(change.after - change.before) + oneCase.margin * 60
          const from = change.at - margin
          const to = change.at + margin
          const expected = instantsAround(change, oneCase, from, to).map((second) => second * 1000)
          const problem = (what: string, got: unknown, want: unknown): void => {
            problems.push(
              `${oneCase.expression} ${JSON.stringify(oneCase.rules)} at ${change.at}: ${what} ${got}, not ${want}`,
            )
          }
          let at = schedule.nextMs(from * 1000 - 1)
          for (const want of expected) {
            if (at !== want) problem('next', at, want)
            const before = schedule.previousMs(schedule.nextMs(want) ?? Number.NaN)
            if (before !== want) problem('previous of next', before, want)
            at = schedule.nextMs(want)
          }
          if (at === null || at < to * 1000) problem('next behind the last', at, 'later')
          const between = [...schedule.between(from * 1000, to * 1000)].map(Number)
          if (between.join() !== expected.join()) problem('between', between, expected)
          // Also searches from starting points that are not instants of the schedule.
          for (let start = from * 1000 + 7; start < to * 1000; start += 17 * 60_000 + 1) {
            const later = expected.find((instant) => instant > start)
            if (later !== undefined && schedule.nextMs(start) !== later)
              problem(`next of ${start}`, schedule.nextMs(start), later)
            const earlier = expected.findLast((instant) => instant < start)
            if (earlier !== undefined && schedule.previousMs(start) !== earlier) {
              problem(`previous of ${start}`, schedule.previousMs(start), earlier)
            }
          }
        }
      }
      expect(problems.slice(0, 5)).toEqual([])
    })

    it.each(dailyTimes)('fires once for each local day if it is daily at %s', (time) => {
      const [hour, minute] = time.split(':').map(Number) as [number, number]
      const schedule = cron(`${minute} ${hour} * * *`, { timezone })
      const instantOf = instantFinder(changes, changes[0]?.before ?? localOffset(timezone))
      const expected: number[] = []
      for (let local = Date.UTC(fromYear, 0, 3) / 1000; local < Date.UTC(toYear, 11, 29) / 1000; local += day) {
        const instant = instantOf(local + hour * 3600 + minute * 60) * 1000
        // All times of a skipped day map to the start of the next day. The schedule fires only once at this instant.
        if (expected.at(-1) !== instant) expected.push(instant)
      }
      let at: number | null = (expected[0] as number) - 1
      const different = expected.find((instant) => {
        at = schedule.nextMs(at as number)
        return at !== instant
      })
      expect(different).toBeUndefined()
    })
  },
)

/** Returns the offset of a zone whose offset does not change in the tested years. */
function localOffset(timezone: string): number {
  const at = Date.UTC(fromYear, 0, 1)
  const text = new Date(at).toLocaleString('sv-SE', { timeZone: timezone })
  return (Date.parse(`${text.replace(' ', 'T')}Z`) - at) / 1000
}
