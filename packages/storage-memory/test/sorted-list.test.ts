import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SortedList } from '../src/sorted-list.ts'

function byNumber(left: number, right: number): number {
  return left - right
}

function sorted(values: Iterable<number>): number[] {
  return [...values].sort(byNumber)
}

describe('a SortedList', () => {
  it('contains the same entries as a sorted set after any sequence of additions and deletions', () => {
    const step = fc.record({ adds: fc.boolean(), value: fc.integer({ min: 0, max: 3000 }) })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 4000, size: 'max' }), fc.nat(3000), (steps, key) => {
        const list = new SortedList(byNumber)
        const model = new Set<number>()
        for (const { adds, value } of steps) {
          if (adds && !model.has(value)) list.add(value)
          if (!adds) expect(list.delete(value)).toBe(model.has(value))
          if (adds) model.add(value)
          else model.delete(value)
        }
        const expected = sorted(model)
        expect([...list.ascending()]).toEqual(expected)
        expect([...list.descending()]).toEqual(expected.toReversed())
        expect([...list.ascending(key)]).toEqual(expected.filter((value) => value >= key))
        expect([...list.descending(key)]).toEqual(expected.filter((value) => value < key).reverse())
        expect(list.firstOnes(1)).toEqual(expected.slice(0, 1))
        expect(list.size).toBe(expected.length)
      }),
      { numRuns: 60 },
    )
  })

  it('can be emptied and filled again', () => {
    const list = new SortedList(byNumber)
    for (let round = 0; round < 3; round++) {
      for (let value = 0; value < 2000; value++) list.add(value)
      for (let value = 0; value < 2000; value++) expect(list.delete(value)).toBe(true)
      expect([list.size, list.firstOnes(1), [...list.ascending()], [...list.descending()]]).toEqual([0, [], [], []])
      expect(list.delete(1)).toBe(false)
    }
  })

  it('makes at most three times the comparisons of a binary search, however long it is', () => {
    let comparisons = 0
    const list = new SortedList<number>((left, right) => {
      comparisons++
      return left - right
    })
    for (let value = 0; value < 200_000; value += 2) list.add(value)
    expect(comparisons).toBeLessThan(100_000)
    comparisons = 0
    list.add(50_001)
    list.delete(50_001)
    expect(comparisons).toBeLessThan(3 * 25)
  })
})
