import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  changesStartRate,
  nextStartAt,
  type OverlapRule,
  overlapRuleOf,
  readStartNumbers,
  startNumbersOf,
  startsAfter,
} from '../src/storage/index.ts'

function rated(limit: number, intervalMs: number): { readonly overlap: OverlapRule } {
  return { overlap: overlapRuleOf('queue', 10, 5, { limit, intervalMs }) }
}

const plain = { overlap: overlapRuleOf('queue', 10, 5) }

describe('the start rate of a job', () => {
  it('allows the next start once fewer than `limit` starts lie within the last `interval`', () => {
    const job = rated(2, 60)
    expect(nextStartAt(job)).toBe(Number.NEGATIVE_INFINITY)
    expect(nextStartAt({ ...job, starts: [100] })).toBe(Number.NEGATIVE_INFINITY)
    expect(nextStartAt({ ...job, starts: [100, 130] })).toBe(160)
    expect(nextStartAt({ ...rated(1, 60), starts: [100, 130] })).toBe(190)
  })

  it('does not limit a job without a start rate, however many starts the job had', () => {
    expect(nextStartAt({ ...plain, starts: [100, 130] })).toBe(Number.NEGATIVE_INFINITY)
  })

  it('keeps the instants of the last `limit` starts', () => {
    expect(startsAfter(rated(2, 60), 100)).toEqual([100])
    expect(startsAfter({ ...rated(2, 60), starts: [100, 130] }, 160)).toEqual([130, 160])
  })

  it('limits the starts in any interval, even if the clocks of the nodes that start the runs differ', () => {
    const clocks = fc.array(fc.nat({ max: 500 }), { minLength: 1, maxLength: 200 })
    const world = fc.record({
      limit: fc.integer({ min: 1, max: 5 }),
      intervalMs: fc.integer({ min: 1, max: 100 }),
      clocks,
    })
    fc.assert(
      fc.property(world, ({ limit, intervalMs, clocks: nows }) => {
        const job = rated(limit, intervalMs)
        let starts: readonly number[] = []
        const all: number[] = []
        for (const now of nows) {
          if (nextStartAt({ ...job, starts }) > now) continue
          starts = startsAfter({ ...job, starts }, now)
          all.push(now)
        }
        all.sort((one, other) => one - other)
        for (const [index, at] of all.entries()) {
          const beyond = all[index + limit]
          if (beyond !== undefined) expect(beyond - at).toBeGreaterThanOrEqual(intervalMs)
        }
      }),
    )
  })

  it('allows exactly `limit` starts in each interval if one node requests starts repeatedly', () => {
    const job = rated(3, 100)
    let starts: readonly number[] = []
    let count = 0
    for (let now = 0; now < 1000; now++) {
      if (nextStartAt({ ...job, starts }) > now) continue
      starts = startsAfter({ ...job, starts }, now)
      count++
    }
    expect(count).toBe(30)
  })

  it('differs between two definitions if `limit` or `interval` differs, or if only one definition has a start rate', () => {
    expect(changesStartRate(rated(2, 60), rated(2, 60))).toBe(false)
    expect(changesStartRate(plain, plain)).toBe(false)
    for (const other of [rated(3, 60), rated(2, 61), plain]) {
      expect(changesStartRate(rated(2, 60), other)).toBe(true)
      expect(changesStartRate(other, rated(2, 60))).toBe(true)
    }
  })

  it('equals the original start rate after it was stored as numbers and read back', () => {
    const head = { ...rated(2, 60), starts: [100, 130] }
    expect(readStartNumbers(startNumbersOf(head))).toEqual({
      startRate: { limit: 2, intervalMs: 60 },
      starts: [100, 130],
    })
    expect(readStartNumbers(startNumbersOf(rated(2, 60)))).toEqual({ startRate: { limit: 2, intervalMs: 60 } })
    expect(readStartNumbers(startNumbersOf(plain))).toEqual({ startRate: null })
  })
})
