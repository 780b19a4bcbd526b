import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type HeapEntry, IndexedHeap } from '../src/engine/runtime/indexed-heap.ts'

const entry = (at: number): HeapEntry => ({ at, heapIndex: -1 })

function pop(heap: IndexedHeap<HeapEntry>): HeapEntry | undefined {
  const first = heap.peek()
  if (first !== undefined) heap.remove(first)
  return first
}

describe('an IndexedHeap', () => {
  it('returns the entry with the earliest instant first', () => {
    const heap = new IndexedHeap<HeapEntry>()
    for (const at of [5, 1, 4, 1, 3]) heap.push(entry(at))
    expect(Array.from({ length: 5 }, () => pop(heap)?.at)).toEqual([1, 1, 3, 4, 5])
  })

  it('returns undefined if it is empty', () => {
    const heap = new IndexedHeap<HeapEntry>()
    expect([heap.peek(), pop(heap)]).toEqual([undefined, undefined])
  })

  it('does not remove an entry that is in no heap or in another heap', () => {
    const heap = new IndexedHeap<HeapEntry>()
    const other = new IndexedHeap<HeapEntry>()
    const mine = entry(1)
    const theirs = entry(2)
    heap.push(mine)
    other.push(theirs)
    heap.remove(entry(1))
    heap.remove(theirs)
    expect([heap.peek(), other.peek()]).toEqual([mine, theirs])
    expect(theirs.heapIndex).toBe(0)
  })

  it('accepts an entry again after the entry was removed', () => {
    const heap = new IndexedHeap<HeapEntry>()
    const one = entry(1)
    heap.push(one)
    heap.remove(one)
    heap.remove(one)
    expect([heap.peek(), one.heapIndex]).toEqual([undefined, -1])
    heap.update(one, 7)
    expect(pop(heap)).toBe(one)
  })
})

type Step =
  | { readonly kind: 'push'; readonly at: number }
  | { readonly kind: 'pop' }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'update'; readonly which: number; readonly at: number }

// `at + 0` turns -0 into 0: the two are one instant, but not equal for `expect`.
const instant = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.double({ noNaN: true })).map((at) => at + 0)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('push' as const), at: instant }) },
  fc.record({ kind: fc.constant('pop' as const) }),
  fc.record({ kind: fc.constant('remove' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('update' as const), which: fc.nat(), at: instant }),
)

it('an IndexedHeap returns the same entries as a sorted list after any sequence of changes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new IndexedHeap<HeapEntry>()
      const list: HeapEntry[] = []
      const earliest = () => Math.min(...list.map(({ at }) => at))
      const takeOut = (one: HeapEntry) => list.splice(list.indexOf(one), 1)
      for (const one of steps) {
        const chosen = 'which' in one ? list[one.which % list.length] : undefined
        if (one.kind === 'push') {
          const added = entry(one.at)
          heap.push(added)
          list.push(added)
        } else if (one.kind === 'pop') {
          const expected = list.length === 0 ? undefined : earliest()
          const popped = pop(heap)
          expect(popped?.at).toBe(expected)
          if (popped !== undefined) takeOut(popped)
          expect(popped?.heapIndex ?? -1).toBe(-1)
        } else if (one.kind === 'remove' && chosen !== undefined) {
          heap.remove(chosen)
          takeOut(chosen)
          expect(chosen.heapIndex).toBe(-1)
        } else if (one.kind === 'update' && chosen !== undefined) {
          heap.update(chosen, one.at)
        }
        expect(heap.peek()?.at).toBe(list.length === 0 ? undefined : earliest())
        expect(new Set(list.map(({ heapIndex }) => heapIndex)).size).toBe(list.length)
      }
      const drained = Array.from({ length: list.length }, () => pop(heap)?.at)
      expect(drained).toEqual(
        list.map(({ at }) => at).sort((left, right) => (left < right ? -1 : left > right ? 1 : 0)),
      )
      expect(heap.peek()).toBeUndefined()
    }),
  )
})
