import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CronKernel } from '../src/cron-kernel.ts'
import { LocalTimes } from '../src/local-times.ts'
import { ZoneOffsets } from '../src/zone-offsets.ts'
import { byEffort } from '../../workspace/test-effort.ts'

const day = 86_400
// The kernel reads offsets of a zone in steps of this length, counted from the epoch.
const stepSeconds = 366 * day
const edge = 40 * stepSeconds

/** Returns a zone whose offset changes once, by `minutes`. */
function zoneWithChange(at: number, minutes: number): () => ZoneOffsets {
  return () => new ZoneOffsets((second) => (second < at ? 3600 : 3600 + minutes * 60))
}

describe('a CronKernel that has not yet read its time zone’s offsets', () => {
  it('returns the same instants as a kernel that has read all offsets, even if the offset changes near the border of two reads', () => {
    const times = new LocalTimes({
      seconds: [0],
      minutes: [0, 10, 20, 30, 40, 50],
      hours: Array.from({ length: 24 }, (_, hour) => hour),
      days: { dayOfMonth: null, dayOfWeek: null },
      months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      years: null,
    })
    const scene = fc.record({
      change: fc.integer({ min: edge - 4 * day, max: edge + 4 * day }),
      minutes: fc.constantFrom(-60, -30, 30, 60, -1440, 1440),
      gap: fc.constantFrom('shift' as const, 'skip' as const),
      fold: fc.constantFrom('first' as const, 'last' as const, 'both' as const),
      away: fc.oneof(fc.integer({ min: -2 * 3600, max: 2 * 3600 }), fc.integer({ min: -30 * 3600, max: 30 * 3600 })),
    })
    fc.assert(
      fc.property(scene, ({ change, minutes, gap, fold, away }) => {
        const zone = zoneWithChange(change, minutes)
        const known = zone()
        known.spanAt(edge - 2 * stepSeconds)
        known.spanAt(edge + 2 * stepSeconds)
        const expected = new CronKernel(times, known, { gap, fold })
        const asked = (change + away) * 1000
        expect(new CronKernel(times, zone(), { gap, fold }).nextMs(asked)).toBe(expected.nextMs(asked))
        expect(new CronKernel(times, zone(), { gap, fold }).previousMs(asked)).toBe(expected.previousMs(asked))
        // A kernel remembers the span of its last search. A kernel whose last search was in another span must find the
        // same instants as a new kernel.
        const wandering = new CronKernel(times, zone(), { gap, fold })
        wandering.nextMs((edge - stepSeconds / 2) * 1000)
        expect(wandering.previousMs(asked)).toBe(expected.previousMs(asked))
        expect(wandering.nextMs(asked)).toBe(expected.nextMs(asked))
      }),
      { numRuns: byEffort(500) },
    )
  })

  it('computes instants far from its first read correctly, even if the offset changes near the border of two reads', () => {
    const scene = fc.record({
      change: fc
        .oneof(
          fc.integer({ min: (edge - 4 * day) / 600, max: (edge + 4 * day) / 600 }),
          fc.integer({ min: edge / 600 - 12, max: edge / 600 + 12 }),
        )
        .map((tens) => tens * 600),
      minutes: fc.constantFrom(-60, 60, -1440, 1440),
      gap: fc.constantFrom('shift' as const, 'skip' as const),
      fold: fc.constantFrom('first' as const, 'last' as const, 'both' as const),
      away: fc.integer({ min: -9, max: 9 }).map((tens) => tens * 600),
      days: fc.integer({ min: 1, max: 6 }),
    })
    fc.assert(
      fc.property(scene, ({ change, minutes, gap, fold, away, days }) => {
        const zone = zoneWithChange(change, minutes)
        // The expression matches one local time in each week. This local time is near the offset change.
        const local = new Date((change + away + 3600) * 1000)
        const times = new LocalTimes({
          seconds: [0],
          minutes: [local.getUTCMinutes()],
          hours: [local.getUTCHours()],
          days: { dayOfMonth: null, dayOfWeek: { weekdays: [local.getUTCDay()], nth: [], last: [] } },
          months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
          years: null,
        })
        const known = zone()
        known.spanAt(edge - 2 * stepSeconds)
        known.spanAt(edge + 2 * stepSeconds)
        const expected = new CronKernel(times, known, { gap, fold })
        for (const asked of [change - days * day, change + days * day]) {
          const fresh = () => new CronKernel(times, zone(), { gap, fold })
          expect(fresh().nextMs(asked * 1000)).toBe(expected.nextMs(asked * 1000))
          expect(fresh().previousMs(asked * 1000)).toBe(expected.previousMs(asked * 1000))
        }
      }),
      { numRuns: byEffort(1000) },
    )
  })
})
