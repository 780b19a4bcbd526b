import { JobistemerError } from '@jobistemer/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cron } from '../src/index.ts'
import { type CalendarDay, type RandomExpression, randomExpression } from './random-expression.ts'
import { allZones, localTimeAt, offsetChanges } from './reference-zone.ts'

const day = 86_400

interface Rules {
  readonly gap: 'shift' | 'skip'
  readonly fold: 'first' | 'last' | 'both'
}

/** Every instant of an expression in `[from, to)`, by asking Intl about every local time that it names. Seconds. */
function bruteForce(expression: RandomExpression, timezone: string, rules: Rules, from: number, to: number): number[] {
  const local = (second: number): number => localTimeAt(timezone, second)
  const instants = new Set<number>()
  const offsets = new Set<number>()
  for (let second = from - 2 * day; second < to + 2 * day; second += 3600) offsets.add(local(second) - second)
  const firstLocal = local(from) - day
  const lastLocal = local(to) + day
  for (let date = Math.floor(firstLocal / day); date <= Math.floor(lastLocal / day); date++) {
    const calendarDay = calendarDayOf(date)
    for (let secondOfDay = 0; secondOfDay < day; secondOfDay++) {
      if (!expression.names(calendarDay, secondOfDay)) continue
      const time = date * day + secondOfDay
      if (time < firstLocal || time > lastLocal) continue
      for (const instant of instantsOf(time, local, offsets, rules))
        if (instant >= from && instant < to) instants.add(instant)
    }
  }
  return [...instants].sort((left, right) => left - right)
}

function instantsOf(
  time: number,
  local: (second: number) => number,
  offsets: ReadonlySet<number>,
  rules: Rules,
): number[] {
  const shown = [...offsets]
    .map((offset) => time - offset)
    .filter((instant) => local(instant) === time)
    .sort((left, right) => left - right)
  if (shown.length === 0) return rules.gap === 'shift' ? [endOfGap(time, local)] : []
  if (rules.fold === 'both') return shown
  return [(rules.fold === 'first' ? shown[0] : shown.at(-1)) as number]
}

/** The first instant at which the local clock shows a later time than this one, which it leaves out. */
function endOfGap(time: number, local: (second: number) => number): number {
  let low = time - 1.5 * day
  let high = time + 1.5 * day
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (local(middle) < time) low = middle
    else high = middle
  }
  return high
}

function calendarDayOf(date: number): CalendarDay {
  const at = new Date(date * day * 1000)
  return {
    year: at.getUTCFullYear(),
    month: at.getUTCMonth() + 1,
    day: at.getUTCDate(),
    weekday: at.getUTCDay(),
    daysInMonth: new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate(),
  }
}

const zones = allZones()

const zone = fc.oneof(
  fc.constantFrom(...zones),
  fc.constantFrom('America/New_York', 'Europe/London', 'Australia/Lord_Howe', 'Africa/Casablanca', 'Pacific/Apia'),
)

const explicitRules = fc.record({
  gap: fc.constantFrom('shift' as const, 'skip' as const),
  fold: fc.constantFrom('first' as const, 'last' as const, 'both' as const),
})

/** Instants near an offset change of the zone, in all times for which there are rules, or anywhere. */
const scene = zone.chain((timezone) => {
  const anywhere = fc.integer({ min: Date.UTC(1900, 0, 1) / 1000, max: Date.UTC(2100, 0, 1) / 1000 })
  const changes = [1912, 1946, 1972, 2011, 2024, 2055].flatMap((year) => offsetChanges(timezone, year, year))
  const starts = [anywhere]
  if (changes.length > 0) {
    starts.push(fc.constantFrom(...changes).chain(({ at }) => fc.integer({ min: at - 1.2 * day, max: at })))
  }
  return fc.record({ timezone: fc.constant(timezone), from: fc.oneof(...starts) })
})

describe('any expression in any zone at any time', () => {
  it('has the instants that asking Intl about every local time finds', () => {
    fc.assert(
      fc.property(
        randomExpression,
        scene,
        fc.option(explicitRules, { nil: undefined }),
        (expression, { timezone, from }, dst) => {
          const rules = dst ?? {
            gap: expression.followsElapsedTime ? ('skip' as const) : ('shift' as const),
            fold: expression.followsElapsedTime ? ('both' as const) : ('first' as const),
          }
          const schedule = makeUnlessImpossible(expression.text, timezone, dst)
          if (schedule === null) return
          const to = from + 1.3 * day
          const expected = bruteForce(expression, timezone, rules, from, to).map((second) => second * 1000)
          const between = [...schedule.between(from * 1000, to * 1000)].map(Number)
          expect(between).toEqual(expected)

          const backwards: number[] = []
          for (
            let at = schedule.previousMs(to * 1000);
            at !== null && at >= from * 1000;
            at = schedule.previousMs(at)
          ) {
            backwards.push(at)
          }
          expect(backwards.toReversed()).toEqual(expected)
        },
      ),
      { numRuns: Number(process.env.CRON_FUZZ_RUNS ?? 100) },
    )
  })

  it('has a next and a previous that agree over years', () => {
    fc.assert(
      fc.property(randomExpression, scene, (expression, { timezone, from }) => {
        const schedule = makeUnlessImpossible(expression.text, timezone, undefined)
        if (schedule === null) return
        let at = from * 1000
        for (let step = 0; step < 40; step++) {
          const next = schedule.nextMs(at)
          if (next === null) throw new Error(`Nothing after ${at}`)
          expect(next).toBeGreaterThan(at)
          expect(schedule.nextMs(Math.floor((at + next) / 2))).toBe(next)
          expect(schedule.nextMs(next - 1)).toBe(next)
          const previous = schedule.previousMs(next)
          expect(previous).toBe(step === 0 ? schedule.previousMs(at + 1) : at)
          at = next
        }
      }),
      { numRuns: Number(process.env.CRON_FUZZ_RUNS ?? 100) },
    )
  })
})

function makeUnlessImpossible(text: string, timezone: string, dst: Rules | undefined): ReturnType<typeof cron> | null {
  try {
    return cron(text, dst === undefined ? { timezone } : { timezone, dst })
  } catch (error) {
    // Random days and months can miss each other: 30 February.
    if (JobistemerError.isInstance(error, 'SCHEDULE_NEVER_FIRES')) return null
    throw error
  }
}
