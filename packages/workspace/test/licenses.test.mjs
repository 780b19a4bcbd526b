import { expect, it } from 'vitest'
import { unacceptable } from '../checks/licenses.mjs'

it('the license check accepts a choice of licenses if one of them is accepted', () => {
  expect(unacceptable({ MIT: [{ name: 'a' }], '(GPL-2.0 OR MIT)': [{ name: 'b' }] })).toBeUndefined()
})

it('the license check names each dependency whose license is not on the list of accepted licenses', () => {
  expect(unacceptable({ 'GPL-3.0': [{ name: 'a' }, { name: 'b' }], 'MIT AND GPL-3.0': [{ name: 'c' }] })).toBe(
    'GPL-3.0: a, b\nMIT AND GPL-3.0: c',
  )
})
