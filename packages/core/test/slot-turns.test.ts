import { describe, expect, it } from 'vitest'
import { SlotTurns } from '../src/engine/loop/slot-turns.ts'

/** A clock that only work moves. */
function workClock() {
  let now = 0
  const work = (milliseconds: number): void => {
    now += milliseconds
  }
  return { monotonic: () => now, work }
}

/** Takes so many steps of so long, and notes in which turn of the event loop each was taken. */
async function stepsOf(turns: SlotTurns, clock: ReturnType<typeof workClock>, { steps = 100, stepMs = 0 }) {
  let turn = 0
  let isOver = false
  const count = (): void => {
    turn++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const taken: number[] = []
  turns.begin()
  for (let step = 0; step < steps; step++) {
    clock.work(stepMs)
    taken.push(turn)
    const wait = turns.stepped()
    if (wait !== null) await wait
  }
  isOver = true
  return taken
}

function mostInOneTurn(taken: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const turn of taken) counts.set(turn, (counts.get(turn) ?? 0) + 1)
  return Math.max(...counts.values())
}

describe('steps', () => {
  it.each([
    { stepMs: 1, most: 5 },
    { stepMs: 3, most: 2 },
    { stepMs: 700, most: 1 },
  ])('of $stepMs ms share a turn of the event loop up to $most at a time', async ({ stepMs, most }) => {
    const clock = workClock()
    expect(mostInOneTurn(await stepsOf(new SlotTurns(clock), clock, { stepMs }))).toBeLessThanOrEqual(most)
  })

  it('that are quick share it by thousands, and the clock is looked at for few of them', async () => {
    const clock = workClock()
    let looks = 0
    const counted = {
      monotonic() {
        looks++
        return clock.monotonic()
      },
    }
    const steps = 20_000
    const taken = await stepsOf(new SlotTurns(counted), clock, { steps, stepMs: 1 / 1024 })
    expect(mostInOneTurn(taken)).toBeGreaterThan(4000)
    expect(looks).toBeLessThan(steps / 10)
  })

  it('are interrupted also where time stands still', async () => {
    const clock = workClock()
    expect(mostInOneTurn(await stepsOf(new SlotTurns(clock), clock, { steps: 200_000 }))).toBeLessThan(51_000)
  })
})

it('of several who count one goes on in each turn, in the order in which they wait', async () => {
  const clock = workClock()
  const turns = new SlotTurns(clock)
  const order: string[] = []
  turns.begin()
  const count = async (name: string) => {
    for (let step = 0; step < 3; step++) {
      clock.work(10)
      const turn = turns.stepped()
      if (turn !== null) await turn
      order.push(name)
    }
  }
  await Promise.all([count('first'), count('second'), count('third')])
  expect(order).toEqual(['first', 'second', 'third', 'first', 'second', 'third', 'first', 'second', 'third'])
})

it('it is known how long the steps took after which somebody waits, and not what others did before', async () => {
  const clock = workClock()
  const turns = new SlotTurns(clock)
  turns.begin()
  clock.work(800)
  expect(turns.stepped()).not.toBeNull()
  expect(turns.lastStepsMs).toBe(800)
  turns.begin()
  clock.work(1)
  expect(turns.stepped()).not.toBeNull()
  expect(turns.lastStepsMs).toBe(1)
})
