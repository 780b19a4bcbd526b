import { expect, it } from 'vitest'
import { unacceptable } from '../checks/licenses.mjs'

it('a choice of licenses is accepted if one of them is accepted', () => {
  expect(unacceptable({ MIT: [{ name: 'a' }], '(GPL-2.0 OR MIT)': [{ name: 'b' }] })).toBeUndefined()
})

it('the check names a dependency with another license', () => {
  expect(unacceptable({ 'GPL-3.0': [{ name: 'a' }, { name: 'b' }], 'MIT AND GPL-3.0': [{ name: 'c' }] })).toBe(
    'GPL-3.0: a, b\nMIT AND GPL-3.0: c',
  )
})
