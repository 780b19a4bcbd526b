import { expect, it } from 'vitest'
import { byEffort, furtherKind, isThorough, kitEffort, readEffort, seedsByEffort, testEffort } from '../test-effort.ts'

it('the test effort is 1 by default', () => {
  expect([readEffort(undefined), readEffort(''), readEffort('1'), readEffort('2.5')]).toEqual([1, 1, 1, 2.5])
})

it.each(['0', '0.5', '-1', 'much', 'Infinity'])(
  'the test effort %s is rejected, and the error states the valid values',
  (text) => {
    expect(() => readEffort(text)).toThrow(`JOBISTEMER_TEST_EFFORT is not a number of at least 1: "${text}". Unset it`)
  },
)

it('the test effort multiplies rounds and seeds, with a minimum of one', () => {
  expect(byEffort(25)).toBe(Math.round(25 * testEffort))
  expect(byEffort(0.01)).toBe(1)
  expect(seedsByEffort(3, 7).slice(0, 3)).toEqual([7, 8, 9])
  expect(seedsByEffort(3)).toHaveLength(byEffort(3))
})

it('the test effort gives the conformance kit at most three seeds, and multiplies its rounds', () => {
  const { scale, seeds } = kitEffort(0.5)
  expect(scale).toBe(0.5 * testEffort)
  expect(seeds).toEqual([1, 2, 3].slice(0, Math.max(1, Math.round(testEffort))))
})

it('`byEffort` and `kitEffort` use their second argument in `npm test`, and their first argument with a raised test effort', () => {
  expect(byEffort(15, 8)).toBe(isThorough ? Math.round(15 * testEffort) : 8)
  expect(kitEffort(0.25, 0.1).scale).toBe(isThorough ? 0.25 * testEffort : 0.1)
})

it('`furtherKind` registers all kit cases with a raised test effort, and otherwise only connection-dependent cases', () => {
  /** @type {string[]} */
  const registered = []
  const always = ['soak: one', 'texts: two', 'within a transaction: three', 'killed processes: four']
  const further = ['jobs: five', 'races of claims: six', 'model: seven']
  const test = furtherKind((name) => registered.push(name), /^killed/)
  for (const name of [...always, ...further]) test(name, async () => {})
  expect(registered).toEqual(isThorough ? [...always, ...further] : always)
})
