import { describe, expect, it } from 'vitest'
import { YieldBudget } from '../src/engine/runtime/yield-budget.ts'
import { workClock } from './work-clock.ts'

/** Takes `steps` steps of `stepMs` each, and records the turn of the event loop of each step. */
async function stepsOf(turns: YieldBudget, clock: ReturnType<typeof workClock>, { steps = 100, stepMs = 0 }) {
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

describe('steps of a long computation', () => {
  it.each([
    { stepMs: 1, most: 5 },
    { stepMs: 3, most: 2 },
    { stepMs: 700, most: 1 },
  ])('number at most $most in one turn of the event loop if each step takes $stepMs ms', async ({ stepMs, most }) => {
    const clock = workClock()
    expect(mostInOneTurn(await stepsOf(new YieldBudget(clock), clock, { stepMs }))).toBeLessThanOrEqual(most)
  })

  it('run in thousands per turn of the event loop if each step takes 1 µs', async () => {
    const clock = workClock()
    const taken = await stepsOf(new YieldBudget(clock), clock, { steps: 20_000, stepMs: 1 / 1024 })
    expect(mostInOneTurn(taken)).toBeGreaterThan(4000)
  })

  it('yield to the event loop even if the clock stands still', async () => {
    const clock = workClock()
    expect(mostInOneTurn(await stepsOf(new YieldBudget(clock), clock, { steps: 200_000 }))).toBeLessThan(51_000)
  })
})

describe('several concurrent long computations', () => {
  /** Runs several computations at once. Returns which computations took steps in each turn of the event loop. */
  async function together(counting: readonly { name: string; steps: number; stepMs: number }[]) {
    const clock = workClock()
    const turns = new YieldBudget(clock)
    const taken: string[][] = []
    let left = counting.length
    const nextTurn = (): void => {
      taken.push([])
      if (left > 0) setImmediate(nextTurn)
    }
    nextTurn()
    turns.begin()
    const count = async ({ name, steps, stepMs }: (typeof counting)[number]) => {
      for (let step = 0; step < steps; step++) {
        clock.work(stepMs)
        taken.at(-1)?.push(name)
        const turn = turns.stepped()
        // Continue the computation two microtasks after the wait, as a computation with further promises would do.
        if (turn !== null) await turn.then(() => null).then(() => null)
      }
      left--
    }
    await Promise.all(counting.map(count))
    return taken.filter((names) => names.length > 0)
  }

  it('continue in the order in which they wait, and a long step ends the turn of the event loop', async () => {
    const counting = ['first', 'second', 'third'].map((name) => ({ name, steps: 3, stepMs: 10 }))
    const later = ['second', 'third', 'first', 'second', 'third']
    const taken = await together(counting)
    expect(taken).toEqual([['first', 'second', 'third'], ['first'], ...later.map((name) => [name])])
  })

  it('continue one after another, each in a turn of the event loop of its own', async () => {
    const long = { name: 'long', steps: 3, stepMs: 7 }
    const short = ['a', 'b', 'c'].map((name) => ({ name, steps: 2, stepMs: 1 }))
    const taken = await together([long, ...short])
    expect(taken).toEqual([['long', 'a', 'b', 'c'], ['long'], ['a'], ['b'], ['c'], ['long']])
  })
})
