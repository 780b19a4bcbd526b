import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { RenewedMap } from '../src/engine/runtime/renewed-map.ts'

describe('a RenewedMap', () => {
  it('has the same entries as a Map, in the same order', () => {
    const renewed = new RenewedMap<number, number>()
    const plain = new Map<number, number>()
    // A linear congruential generator, which returns the same numbers in each run.
    let state = 1
    const below = (limit: number) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
      return state % limit
    }
    for (let step = 0; step < 20_000; step++) {
      const key = below(300)
      if (below(2) === 0) {
        plain.set(key, step)
        renewed.set(key, step)
      } else expect(renewed.delete(key)).toBe(plain.delete(key))
      expect(renewed.size).toBe(plain.size)
      expect(renewed.get(key)).toBe(plain.get(key))
    }
    expect([...renewed.keys()]).toEqual([...plain.keys()])
    expect([...renewed.values()]).toEqual([...plain.values()])
    expect(renewed.first()).toEqual(plain.entries().next().value)
    expect(new RenewedMap().first()).toBeUndefined()
  })

  it('iterates over all entries even if each is deleted during the iteration', () => {
    const renewed = new RenewedMap<number, true>()
    for (let number = 0; number < 500; number++) renewed.set(number, true)
    let count = 0
    for (const number of renewed.keys()) {
      expect(renewed.delete(number)).toBe(true)
      count++
    }
    expect(count).toBe(500)
    expect(renewed.size).toBe(0)
  })

  it('does not keep deleted entries alive after V8 has moved a table of the map to the old generation', () => {
    // For comparison: a plain `Map` keeps deleted entries alive in V8's old generation.
    const plain = oldBytesAfterChurn(new Map())
    const renewed = oldBytesAfterChurn(new RenewedMap())
    expect(plain).toBeGreaterThan(10 * megabyte)
    expect(renewed).toBeLessThan(plain / 5)
  })
})

const megabyte = 2 ** 20

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void

/** Returns the maximum growth of V8's old generation while 40 MB pass through a map. The map holds 100 entries at a time. */
function oldBytesAfterChurn(map: { set(key: number, value: unknown): unknown; delete(key: number): boolean }): number {
  let next = 0
  const add = () =>
    map.set(
      next++,
      Array.from({ length: 128 }, (_, index) => index),
    )
  for (let count = 0; count < 100; count++) add()
  collect()
  const before = oldBytes()
  let most = before
  for (let count = 0; count < 40_000; count++) {
    add()
    map.delete(next - 101)
    if (count % 2000 !== 0) continue
    collect({ type: 'minor' })
    most = Math.max(most, oldBytes())
  }
  return most - before
}

function oldBytes(): number {
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')
  return space?.space_used_size ?? Number.NaN
}
