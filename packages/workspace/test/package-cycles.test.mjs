import { expect, it } from 'vitest'
import { findCycle } from '../checks/package-cycles.mjs'

it('finds no cycle where every path ends', () => {
  expect(
    findCycle(
      new Map([
        ['a', ['b', 'c']],
        ['b', ['c']],
        ['c', []],
      ]),
    ),
  ).toBeUndefined()
})

it('names a cycle from its first package back to it', () => {
  const edges = new Map([
    ['start', ['a']],
    ['a', ['b']],
    ['b', ['a']],
  ])
  expect(findCycle(edges)).toEqual(['a', 'b', 'a'])
})

it('takes a package that depends on itself for a cycle', () => {
  expect(findCycle(new Map([['a', ['a']]]))).toEqual(['a', 'a'])
})

it('ignores dependencies from outside the workspace', () => {
  expect(findCycle(new Map([['a', ['luxon']]]))).toBeUndefined()
})
