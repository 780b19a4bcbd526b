import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ClockSkew } from '../src/driver/clock-skew.ts'
import { SeededRandom } from '@jobistemer/test-kit'

const skewMs = 300_000
const options = fc.record({ seed: fc.string(), nodes: fc.integer({ min: 1, max: 8 }) })

function skewOf({ seed, nodes, isShared }: { seed: string; nodes: number; isShared: boolean }): ClockSkew {
  return new ClockSkew({ skewMs, isShared, nodes, random: new SeededRandom(seed) })
}

it('if the storage has a clock, each torture process has a clock error of its own or a correct clock', () => {
  const skew = skewOf({ seed: 'a', nodes: 4, isShared: true })
  const lives = Array.from({ length: 200 }, () => skew.ofLife(1))
  expect(lives.filter((offset) => offset === 0).length).toBeGreaterThan(20)
  expect(new Set(lives).size).toBeGreaterThan(100)
  expect(Math.max(...lives)).toBeGreaterThan(skewMs / 2)
  expect(Math.min(...lives)).toBeLessThan(-skewMs / 2)
  expect([skew.aheadMs, skew.behindMs, skew.leader, skew.afterReturn(1)]).toEqual([0, 0, null, null])
})

it('each node of the torture test keeps its clock error, and the first node’s clock is farthest ahead', () => {
  fc.assert(
    fc.property(options, (one) => {
      const skew = skewOf({ ...one, isShared: false })
      expect(skew.leader).toBe(0)
      for (let place = 0; place < one.nodes; place++) {
        const offset = skew.ofLife(place)
        expect(skew.ofLife(place)).toBe(offset)
        expect(skew.afterReturn(place)).toBe(offset)
        expect(offset).toBeLessThanOrEqual(skew.ofLife(0))
        expect(offset).toBeGreaterThanOrEqual(-skew.behindMs)
        expect(skew.afterJump()).toBeLessThanOrEqual(skew.aheadMs)
        expect(skew.afterJump()).toBeGreaterThanOrEqual(-skew.behindMs)
      }
    }),
  )
})

it('the same seed gives the torture test’s clocks the same errors', () => {
  const clocks = (seed: string) => {
    const skew = skewOf({ seed, nodes: 6, isShared: false })
    return [0, 1, 2, 3, 4, 5].map((place) => skew.ofLife(place))
  }
  expect(clocks('a')).toEqual(clocks('a'))
  expect(clocks('a')).not.toEqual(clocks('b'))
})

it('without the option --clock-skew, the clocks of the torture test are correct', () => {
  const skew = new ClockSkew({ skewMs: 0, isShared: false, nodes: 2, random: new SeededRandom('a') })
  expect([skew.ofLife(0), skew.ofLife(1), skew.aheadMs, skew.behindMs, skew.leader]).toEqual([0, 0, 0, 0, null])
})
