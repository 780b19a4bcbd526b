import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ScheduleReviver } from '../src/engine/definitions/schedule-reviver.ts'
import type { SlotSeries } from '../src/engine/definitions/slot-series.ts'
import {
  type UpdatePolicy,
  readUpdatePolicy,
  seriesOf,
  switchSchedule,
  updatedTimeline,
} from '../src/engine/definitions/timeline.ts'
import type { SerializedSchedule } from '../src/schedule/schedule.ts'
import type { ScheduleSegment } from '../src/storage/job-record.ts'
import { every, everyType } from './support/every.ts'
import { refusalOf, thrownBy } from './support/thrown-by.ts'

const reviver = new ScheduleReviver()
reviver.add(everyType)
const horizon = 300

const wholeTime = (schedule: SerializedSchedule): ScheduleSegment => ({ after: null, until: null, schedule })

/** Returns every slot after an instant, up to the horizon. */
function slotsAfter(series: SlotSeries, after: number): number[] {
  const slots: number[] = []
  for (let slot = series.nextMs(after); slot !== null && slot <= horizon; slot = series.nextMs(slot)) slots.push(slot)
  return slots
}

/** Returns the same slots as {@link slotsAfter}, but searches backwards from the horizon. */
function slotsAfterBackwards(series: SlotSeries, after: number): number[] {
  const slots: number[] = []
  let slot = series.previousMs(horizon + 1)
  for (; slot !== null && slot > after; slot = series.previousMs(slot)) slots.push(slot)
  return slots.reverse()
}

const schedule = fc
  .record({
    interval: fc.integer({ min: 1, max: 40 }),
    offset: fc.integer({ min: 0, max: 39 }),
    end: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, fc.integer({ min: 0, max: horizon })),
  })
  .map(({ interval, offset, end }) => every(interval, { offsetMs: offset, ...(end !== undefined && { endMs: end }) }))

/** A timeline of one to four segments, with gaps. */
const timeline = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 0, max: horizon }), { minLength: 0, maxLength: 6 }),
    fc.array(schedule, { minLength: 7, maxLength: 7 }),
    fc.boolean(),
  )
  .map(([bounds, schedules, ends]): ScheduleSegment[] => {
    bounds.sort((left, right) => left - right)
    const segments: ScheduleSegment[] = []
    let after: number | null = null
    for (const [index, until] of bounds.entries()) {
      // Leaves out some segments, so that the timeline has gaps.
      if (index % 2 === 0) segments.push({ after, until, schedule: (schedules[index] as typeof everyOne).toJSON() })
      after = until
    }
    if (segments.length === 0 || !ends) {
      segments.push({ after, until: null, schedule: (schedules[6] as typeof everyOne).toJSON() })
    }
    return segments
  })
const everyOne = every(1)

describe('the slots of a timeline', () => {
  it('are, in each segment, the slots of the segment’s schedule', () => {
    fc.assert(
      fc.property(timeline, fc.integer({ min: -10, max: horizon }), (segments, from) => {
        const expected = segments
          .flatMap(({ after, until, schedule: serialized }) =>
            slotsAfter(everyType.revive(serialized), Math.max(from, after ?? Number.NEGATIVE_INFINITY)).filter(
              (slot) => slot <= (until ?? horizon),
            ),
          )
          .sort((left, right) => left - right)
        expect(slotsAfter(seriesOf(segments, reviver), from)).toEqual(expected)
      }),
    )
  })

  it('are the same whether the timeline computes them forwards or backwards', () => {
    fc.assert(
      fc.property(timeline, fc.integer({ min: -10, max: horizon }), (segments, from) => {
        const series = seriesOf(segments, reviver)
        expect(slotsAfterBackwards(series, from)).toEqual(slotsAfter(series, from))
      }),
    )
  })

  it('are the slots of the schedule if one schedule applies for all time', () => {
    const series = seriesOf([wholeTime(every(7).toJSON())], reviver)
    expect([series.nextMs(0), series.nextMs(7), series.previousMs(20)]).toEqual([7, 14, 14])
  })

  it('end with the slots of the last segment', () => {
    const series = seriesOf([{ after: 10, until: 30, schedule: every(10).toJSON() }], reviver)
    expect([series.nextMs(0), series.nextMs(20), series.nextMs(30)]).toEqual([20, 30, null])
    expect([series.previousMs(100), series.previousMs(20)]).toEqual([30, null])
  })

  it('cannot be computed for an unknown schedule type, and the error names the remedy', () => {
    const serialized = { type: 'lunar' }
    expect(reviver.find(serialized.type)).toBeUndefined()
    const error = thrownBy(() => seriesOf([wholeTime(serialized)], reviver))
    expect(error).toMatchObject({ code: 'UNKNOWN_SCHEDULE_TYPE', field: 'scheduleTypes', value: 'lunar' })
    expect(error.message).toContain('createScheduler({ scheduleTypes: [...] })')
  })
})

const situation = fc.record({
  segments: timeline,
  fresh: schedule,
  watermark: fc.integer({ min: 0, max: horizon }),
  /** Milliseconds from the watermark to the instant at which the new schedule begins. */
  lag: fc.integer({ min: 0, max: 100 }),
})

describe('a new schedule in a timeline', () => {
  it('determines every slot from its start on, and no slot before its start', () => {
    fc.assert(
      fc.property(situation, ({ segments, fresh, watermark, lag }) => {
        const from = watermark + lag
        const old = slotsAfter(seriesOf(segments, reviver), watermark).filter((slot) => slot <= from)
        const switched = seriesOf(switchSchedule(segments, fresh.toJSON(), { from, watermark }), reviver)
        expect(slotsAfter(switched, watermark)).toEqual([...old, ...slotsAfter(fresh, from)])
      }),
    )
  })

  it('removes the segments whose slots are all decided', () => {
    const first = switchSchedule([wholeTime(every(10).toJSON())], every(7).toJSON(), { from: 100, watermark: 90 })
    expect(first).toHaveLength(2)
    expect(switchSchedule(first, every(3).toJSON(), { from: 200, watermark: 200 })).toEqual([
      wholeTime(every(3).toJSON()),
    ])
  })
})

describe('an update of a schedule', () => {
  const update = (
    segments: readonly ScheduleSegment[],
    options: { policy: UpdatePolicy; now: number; watermark: number },
  ) =>
    seriesOf(
      updatedTimeline(segments, every(7).toJSON(), {
        policy: readUpdatePolicy(options.policy),
        series: seriesOf(segments, reviver),
        now: options.now,
        watermark: options.watermark,
      }),
      reviver,
    )
  const tens = [wholeTime(every(10).toJSON())]

  it('with the policy immediate keeps the old schedule for overdue slots', () => {
    expect(slotsAfter(update(tens, { policy: 'immediate', now: 35, watermark: 10 }), 10).slice(0, 4)).toEqual([
      20, 30, 42, 49,
    ])
  })

  it('with the policy graceful also keeps the old schedule for the next slot', () => {
    expect(slotsAfter(update(tens, { policy: 'graceful', now: 35, watermark: 30 }), 30).slice(0, 3)).toEqual([
      40, 42, 49,
    ])
  })

  it('with the policy graceful and an instant `until` keeps the old schedule for all slots up to that instant', () => {
    const policy: UpdatePolicy = { type: 'graceful', until: 60 }
    expect(slotsAfter(update(tens, { policy, now: 35, watermark: 30 }), 30).slice(0, 5)).toEqual([40, 50, 60, 63, 70])
  })

  it('with the policy windowed applies only inside the window', () => {
    const policy: UpdatePolicy = { type: 'windowed', from: 49, to: 63 }
    expect(slotsAfter(update(tens, { policy, now: 35, watermark: 30 }), 30).slice(0, 6)).toEqual([
      40, 49, 56, 63, 70, 80,
    ])
  })

  it('with the policy windowed changes nothing if the window has passed', () => {
    const policy: UpdatePolicy = { type: 'windowed', from: 5, to: 30 }
    expect(slotsAfter(update(tens, { policy, now: 35, watermark: 30 }), 30).slice(0, 2)).toEqual([40, 50])
  })

  it('changes no past slot, and assigns every slot to either the old or the new schedule', () => {
    const window = fc.tuple(fc.integer({ min: 0, max: horizon }), fc.integer({ min: 0, max: 100 }))
    const policy: fc.Arbitrary<UpdatePolicy> = fc.oneof(
      fc.constantFrom('immediate' as const, 'graceful' as const),
      fc.integer({ min: 0, max: horizon }).map((until) => ({ type: 'graceful' as const, until })),
      window.map(([from, length]) => ({ type: 'windowed' as const, from, to: from + length })),
    )
    fc.assert(
      fc.property(situation, policy, ({ segments, fresh, watermark, lag }, chosen) => {
        const now = watermark + lag
        const series = seriesOf(segments, reviver)
        const updated = seriesOf(
          updatedTimeline(segments, fresh.toJSON(), { policy: readUpdatePolicy(chosen), series, now, watermark }),
          reviver,
        )
        const isFresh = (slot: number) => {
          if (slot <= now) return false
          if (chosen === 'immediate') return true
          if (chosen === 'graceful') return slot > (series.nextMs(now) ?? now)
          if (chosen.type === 'graceful') return slot > (chosen.until as number)
          return slot >= (chosen.from as number) && slot <= (chosen.to as number)
        }
        const expected = new Set([
          ...slotsAfter(series, watermark).filter((slot) => !isFresh(slot)),
          ...slotsAfter(fresh, watermark).filter(isFresh),
        ])
        expect(slotsAfter(updated, watermark)).toEqual([...expected].sort((left, right) => left - right))
        expect(slotsAfterBackwards(updated, watermark)).toEqual(slotsAfter(updated, watermark))
      }),
    )
  })

  it.each<[unknown, string, string, unknown]>([
    ['at once', 'INVALID_ARGUMENT', 'policy', 'at once'],
    [{ type: 'later' }, 'INVALID_ARGUMENT', 'policy.type', 'later'],
    [{ type: 'graceful' }, 'INVALID_INSTANT', 'policy.until', undefined],
    [{ type: 'windowed', from: 0 }, 'INVALID_INSTANT', 'policy.to', undefined],
    [{ type: 'windowed', from: 5, to: 4 }, 'INVALID_ARGUMENT', 'policy.to', 4],
    [{ type: 'windowed', from: 0, to: 1, of: 2 }, 'UNKNOWN_OPTION', 'policy.of', 2],
  ])('with the invalid policy %j is refused', (policy, code, field, value) => {
    expect(refusalOf(() => readUpdatePolicy(policy as UpdatePolicy))).toEqual({ code, field, value })
  })
})
