import { JobistemerError } from '@jobistemer/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cron } from '../src/index.ts'
import { bruteForce, type Rules } from './brute-force.ts'
import { type RandomExpression, randomExpression } from './random-expression.ts'
import { allZones, offsetChanges } from './reference-zone.ts'
import { byEffort } from '../../workspace/test-effort.ts'

const day = 86_400

const zones = allZones()

const zone = fc.oneof(
  fc.constantFrom(...zones),
  fc.constantFrom('America/New_York', 'Europe/London', 'Australia/Lord_Howe', 'Africa/Casablanca', 'Pacific/Apia'),
)

const explicitRules = fc.record({
  gap: fc.constantFrom('shift' as const, 'skip' as const),
  fold: fc.constantFrom('first' as const, 'last' as const, 'both' as const),
})

/** Generates a time zone and an instant: near one of its offset changes, or anywhere between 1900 and 2100. */
const scene = zone.chain((timezone) => {
  const anywhere = fc.integer({ min: Date.UTC(1900, 0, 1) / 1000, max: Date.UTC(2100, 0, 1) / 1000 })
  const changes = [1912, 1946, 1972, 2011, 2024, 2055].flatMap((year) => offsetChanges(timezone, year, year))
  const starts = [anywhere]
  if (changes.length > 0) {
    starts.push(fc.constantFrom(...changes).chain(({ at }) => fc.integer({ min: at - 0.5 * day, max: at })))
  }
  return fc.record({ timezone: fc.constant(timezone), from: fc.oneof(...starts) })
})

describe('a random cron expression in a random time zone', () => {
  it('has the same instants that a search with Intl finds in all local times', () => {
    fc.assert(
      fc.property(
        randomExpression,
        scene,
        fc.option(explicitRules, { nil: undefined }),
        (expression, { timezone, from }, dst) => {
          const rules = dst ?? defaultRules(expression)
          const schedule = makeUnlessImpossible(expression.text, timezone, dst)
          if (schedule === null) return
          const to = from + 0.6 * day
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
      { numRuns: byEffort(30, 15) },
    )
  })

  it('has the same instants as a search with Intl, even before the first and after the last rule of the time zone', () => {
    const farAway = fc.oneof(
      fc.integer({ min: Date.UTC(1000, 0, 1) / 1000, max: Date.UTC(1850, 0, 1) / 1000 }),
      fc.integer({ min: Date.UTC(2500, 0, 1) / 1000, max: Date.UTC(9990, 0, 1) / 1000 }),
      // The year 2600 begins a new 400-year cycle of the kernel.
      fc.integer({ min: Date.UTC(2599, 11, 29) / 1000, max: Date.UTC(2600, 0, 3) / 1000 }),
    )
    const someZone = fc.constantFrom('UTC', 'America/New_York', 'Europe/Berlin', 'Australia/Sydney', 'Asia/Kathmandu')
    fc.assert(
      fc.property(randomExpression, someZone, farAway, (expression, timezone, from) => {
        const schedule = makeUnlessImpossible(expression.text, timezone, undefined)
        if (schedule === null) return
        const to = from + 0.6 * day
        const expected = bruteForce(expression, timezone, defaultRules(expression), from, to)
        expect([...schedule.between(from * 1000, to * 1000)].map((at) => at.getTime() / 1000)).toEqual(expected)
        const last = expected.at(-1)
        if (last !== undefined) expect(schedule.previousMs(to * 1000)).toBe(last * 1000)
      }),
      { numRuns: byEffort(20, 10) },
    )
  })

  it('has the same instants forward by `next` and backward by `previous`, over years', () => {
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
      { numRuns: byEffort(30, 15) },
    )
  })
})

function defaultRules({ followsElapsedTime }: RandomExpression): Rules {
  return followsElapsedTime ? { gap: 'skip', fold: 'both' } : { gap: 'shift', fold: 'first' }
}

function makeUnlessImpossible(text: string, timezone: string, dst: Rules | undefined): ReturnType<typeof cron> | null {
  try {
    return cron(text, dst === undefined ? { timezone } : { timezone, dst })
  } catch (error) {
    // Random days and months may never occur together, such as 30 February.
    if (JobistemerError.isInstance(error, 'SCHEDULE_NEVER_FIRES')) return null
    throw error
  }
}
