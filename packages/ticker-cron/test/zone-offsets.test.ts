import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ZoneOffsets, zoneOffsets } from '../src/zone-offsets.ts'
import { localTimeAt } from './reference-zone.ts'

const seconds = (text: string): number => Date.parse(text) / 1000

describe('ZoneOffsets', () => {
  it('returns the same offsets as Intl, whatever the order of calls', () => {
    const scene = fc.record({
      timezone: fc.constantFrom(
        'America/New_York',
        'Africa/Casablanca',
        'Asia/Gaza',
        'Europe/Riga',
        'Pacific/Kiritimati',
      ),
      asked: fc.array(fc.integer({ min: seconds('1000-01-01T00:00:00Z'), max: seconds('2150-01-01T00:00:00Z') }), {
        minLength: 1,
        maxLength: 8,
      }),
    })
    fc.assert(
      fc.property(scene, ({ timezone, asked }) => {
        for (const second of asked) {
          const span = zoneOffsets(timezone).spanAt(second)
          expect(second + span.offset).toBe(localTimeAt(timezone, second))
          expect(span.start <= second && second < span.end).toBe(true)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('returns adjacent spans for reads in ascending and in descending order', () => {
    const changes = ['1999-03-28T01:00:00Z', '1999-10-31T01:00:00Z', '2000-03-26T01:00:00Z', '2000-10-29T01:00:00Z']
    // Creates new offsets without cached spans, with the rules of Central Europe.
    const fresh = () => new ZoneOffsets((second) => localTimeAt('Europe/Berlin', second) - second)
    const orders = [changes, changes.toReversed()]
    for (const order of orders) {
      const zone = fresh()
      for (const change of order) zone.spanAt(seconds(change))
      for (const change of changes) {
        const span = zone.spanAt(seconds(change))
        expect(span.start).toBe(seconds(change))
        expect(span.previous?.end).toBe(span.start)
        expect(span.previous?.next).toBe(span)
        expect(span.previous?.offset).toBe(span.offsetBefore)
        expect(span.previous?.offsetAfter).toBe(span.offset)
        expect(zone.spanAt(seconds(change) - 1)).toBe(span.previous)
      }
    }
  })

  it('is the same object for all spellings of a time zone', () => {
    expect(zoneOffsets('america/new_york')).toBe(zoneOffsets('America/New_York'))
    expect(zoneOffsets('Etc/UTC')).toBe(zoneOffsets('UTC'))
  })

  it('of UTC has one span without end', () => {
    const span = zoneOffsets('UTC').spanAt(0)
    expect([span.start, span.end, span.offset]).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 0])
  })
})
