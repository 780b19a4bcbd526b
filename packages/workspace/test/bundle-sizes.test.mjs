import { expect, it } from 'vitest'
import { offLimits } from '../checks/bundle-sizes.mjs'

it('the check of bundle sizes accepts entry points up to their limits', () => {
  expect(offLimits({ one: 2000, two: 10 }, { one: 2, two: 1 })).toBeUndefined()
})

it('the check of bundle sizes names entry points that are too large or have no limit, and unused limits', () => {
  expect(offLimits({ one: 2001, two: 10 }, { one: 2, three: 1 })).toBe(
    [
      'one has 2001 bytes; the limit is 2 kB.',
      'two has 10 bytes and no limit.',
      'three has a limit, but does not exist.',
    ].join('\n'),
  )
})
