import { expect, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { simulate } from '../src/simulate.ts'

// Together, the simulations with seeds 9, 21 and 22 contain node crashes, freezes, clock steps, outages and lost answers.
it.each(isThorough ? [3, 14, 159] : [9, 21, 22])(
  'simulations with the same seed %i have the same history',
  async (seed) => {
    const first = await simulate({ seed })
    const second = await simulate({ seed })
    expect(first.events.length).toBeGreaterThan(20)
    expect(second).toEqual(first)
  },
)

it('simulations with different seeds have different histories', async () => {
  const [one, other] = await Promise.all([simulate({ seed: 24 }), simulate({ seed: 13 })])
  expect(other.events).not.toEqual(one.events)
})
