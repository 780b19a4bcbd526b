import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../src/seeded-random.ts'

const draw = (random: SeededRandom) => Array.from({ length: 20 }, () => random.next())

describe('SeededRandom', () => {
  it('returns the same numbers for the same seed, and other numbers for another seed', () => {
    expect(draw(new SeededRandom('seed'))).toEqual(draw(new SeededRandom('seed')))
    expect(draw(new SeededRandom(1))).not.toEqual(draw(new SeededRandom(2)))
    expect(draw(new SeededRandom('1'))).toEqual(draw(new SeededRandom(1)))
  })

  it('returns numbers within the given bounds', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat({ max: 50 }), fc.nat({ max: 50 }), (seed, from, length) => {
        const random = new SeededRandom(seed)
        const whole = random.whole(from, from + length)
        expect(Number.isInteger(whole) && whole >= from && whole <= from + length).toBe(true)
        const between = random.between(from, from + length + 1)
        expect(between >= from && between < from + length + 1).toBe(true)
        const below = random.below(length + 1)
        expect(Number.isInteger(below) && below >= 0 && below <= length).toBe(true)
      }),
    )
  })

  it('returns, over 300 calls, both bounds of a range, every item of a list and every order of a list', () => {
    const random = new SeededRandom('ends')
    const times = Array.from({ length: 300 })
    expect(new Set(times.map(() => random.whole(1, 3)))).toEqual(new Set([1, 2, 3]))
    expect(new Set(times.map(() => random.pick(['a', 'b', 'c'])))).toEqual(new Set(['a', 'b', 'c']))
    expect(new Set(times.map(() => random.shuffled([1, 2, 3]).join('')))).toHaveProperty('size', 6)
    expect(random.pickAny([])).toBeUndefined()
    expect([random.chance(0), random.chance(1)]).toEqual([false, true])
  })

  it('picks names in proportion to their weights', () => {
    const random = new SeededRandom('weights')
    const counts = { often: 0, rarely: 0, never: 0 }
    for (let index = 0; index < 1_000; index++) counts[random.weighted({ often: 9, rarely: 1, never: 0 })] += 1
    expect(counts.never).toBe(0)
    expect(counts.rarely).toBeGreaterThan(50)
    expect(counts.often).toBeGreaterThan(800)
  })
})
