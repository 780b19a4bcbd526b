import { describe, expect, it } from 'vitest'
import { YieldBudget } from '../src/engine/runtime/yield-budget.ts'
import { workClock } from './work-clock.ts'

/** Makes 40 successive calls, each with `workMs` of work. Returns the turn of the event loop in which each call began. */
async function callsOf(
  turns: YieldBudget,
  clock: ReturnType<typeof workClock>,
  options: { isAsked: boolean; workMs: number },
) {
  let turn = 0
  let isOver = false
  const count = (): void => {
    turn++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const called: number[] = []
  for (let call = 0; call < 40; call++) {
    const wait = turns.pass(options.isAsked)
    if (wait !== null) await wait
    called.push(turn)
    clock.work(options.workMs)
    await Promise.resolve()
  }
  isOver = true
  return called
}

function mostInOneTurn(called: readonly number[]): number {
  return Math.max(...called.map((turn) => called.filter((other) => other === turn).length))
}

describe('storage calls that follow one another', () => {
  it.each([
    { isAsked: false, workMs: 1, most: 10 },
    { isAsked: true, workMs: 1, most: 10 },
    { isAsked: true, workMs: 4, most: 3 },
    { isAsked: false, workMs: 60, most: 1 },
  ])(
    'that take $workMs ms each wait for the next turn of the event loop after about 10 ms (calls of a user: $isAsked)',
    async ({ isAsked, workMs, most }) => {
      const clock = workClock()
      const called = await callsOf(new YieldBudget(clock), clock, { isAsked, workMs })
      expect(mostInOneTurn(called)).toBeLessThanOrEqual(most)
    },
  )

  it('continue in the present turn of the event loop while that turn is short', () => {
    const turns = new YieldBudget(workClock())
    for (let call = 0; call < 100; call++) expect(turns.pass(call % 2 === 0)).toBeNull()
  })
})

it('if storage calls wait for a later turn of the event loop, calls of the engine continue before calls of users', async () => {
  const clock = workClock()
  const turns = new YieldBudget(clock)
  const order: string[] = []
  const call = async (name: string, isAsked: boolean) => {
    const wait = turns.pass(isAsked)
    if (wait !== null) await wait
    order.push(name)
    clock.work(20)
  }
  await Promise.all([
    call('asked 1', true),
    call('asked 2', true),
    call('asked 3', true),
    call('own 1', false),
    call('own 2', false),
  ])
  expect(order).toEqual(['asked 1', 'own 1', 'own 2', 'asked 2', 'asked 3'])
})

it('a storage call of a user does not overtake calls that already wait for a turn of the event loop', async () => {
  const clock = workClock()
  const turns = new YieldBudget(clock)
  turns.pass(true)
  clock.work(10)
  const order: string[] = []
  const first = turns.pass(true)?.then(() => order.push('first'))
  const second = turns.pass(true)?.then(() => order.push('second'))
  await first
  const third = turns.pass(true)?.then(() => order.push('third'))
  await Promise.all([second, third])
  expect(order).toEqual(['first', 'second', 'third'])
})
