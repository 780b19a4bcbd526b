import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fingerprintOf } from '../src/job/fingerprint.ts'

/** Returns the same data, with the members of each object in another order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).reverse()
  return Object.fromEntries(members.map(([name, member]) => [name, reordered(member)]))
}

const data = fc.jsonValue({ maxDepth: 4 })

describe('the fingerprint of a definition', () => {
  it('has 32 hexadecimal digits, and is always the same for the same definition', () => {
    expect(fingerprintOf({ name: 'a', tasks: [1, 2] })).toMatch(/^[0-9a-f]{32}$/)
    expect(fingerprintOf({ name: 'a', tasks: [1, 2] })).toBe('3ec9006b5f21b035268cb58e18c3c34f')
  })

  it('does not depend on the order of members', () => {
    fc.assert(
      fc.property(data, (value) => {
        expect(fingerprintOf(reordered(value))).toBe(fingerprintOf(value))
      }),
    )
  })

  it('is the same before and after a JSON round trip of the definition', () => {
    fc.assert(
      fc.property(data, (value) => {
        expect(fingerprintOf(JSON.parse(JSON.stringify(value)))).toBe(fingerprintOf(value))
      }),
    )
    expect(fingerprintOf({ a: 1, b: undefined })).toBe(fingerprintOf({ a: 1 }))
    expect(fingerprintOf([undefined])).toBe(fingerprintOf([null]))
  })

  it('differs for different definitions', () => {
    const canonical = (value: unknown) => JSON.stringify(reordered(JSON.parse(JSON.stringify(value))), sortedMembers)
    fc.assert(
      fc.property(data, data, (left, right) => {
        expect(fingerprintOf(left) === fingerprintOf(right)).toBe(canonical(left) === canonical(right))
      }),
    )
    const alike = [[1, 2], [12], ['1', 2], { 0: 1, 1: 2 }, [[1, 2]], '[1,2]', null, 'null', {}, []]
    expect(new Set(alike.map(fingerprintOf)).size).toBe(alike.length)
  })
})

function sortedMembers(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
}
