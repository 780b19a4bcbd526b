import { expect, it } from 'vitest'
import { simulate } from '../src/simulate.ts'

it.each([3, 14, 159])('seed %i has the same history in each run', async (seed) => {
  const first = await simulate({ seed })
  const second = await simulate({ seed })
  expect(first.events.length).toBeGreaterThan(20)
  expect(second).toEqual(first)
})

it('different seeds have different histories', async () => {
  const [one, other] = await Promise.all([simulate({ seed: 5 }), simulate({ seed: 6 })])
  expect(other.events).not.toEqual(one.events)
})
