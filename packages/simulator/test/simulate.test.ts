import { expect, it } from 'vitest'
import { simulate } from '../src/simulate.ts'

it.each([3, 14, 159])('simulations with the same seed %i have the same history', async (seed) => {
  const first = await simulate({ seed })
  const second = await simulate({ seed })
  expect(first.events.length).toBeGreaterThan(20)
  expect(second).toEqual(first)
})

it('simulations with different seeds have different histories', async () => {
  const [one, other] = await Promise.all([simulate({ seed: 5 }), simulate({ seed: 6 })])
  expect(other.events).not.toEqual(one.events)
})
