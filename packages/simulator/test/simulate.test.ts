import { expect, it } from 'vitest'
import { simulate } from '../src/simulate.ts'

it.each([3, 14, 159])('seed %i has the same history each time it is run', async (seed) => {
  const first = await simulate({ seed })
  const second = await simulate({ seed })
  expect(first.events.length).toBeGreaterThan(20)
  expect(second).toEqual(first)
})

it('other seeds have other histories', async () => {
  const [one, other] = await Promise.all([simulate({ seed: 5 }), simulate({ seed: 6 })])
  expect(other.events).not.toEqual(one.events)
})

it('between them, a hundred seeds have every fault, every operation and every state of an occurrence', async () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= 100; seed++) {
    const { events, faults, occurrences } = await simulate({ seed })
    for (const fault of Object.keys(faults)) seen.add(fault)
    for (const state of Object.keys(occurrences)) seen.add(state)
    for (const event of events) if (event.kind === 'operation') seen.add(event.operation)
  }
  expect([...seen]).toEqual(
    expect.arrayContaining([
      ...['crash before', 'crash after', 'freeze before', 'freeze after', 'rejected', 'lost answer', 'late effect'],
      ...['doubled', 'slow', 'partitioned', 'lost wake-up', 'crash', 'freeze', 'clock step'],
      ...['outage', 'away', 'cut off', 'trouble: death', 'trouble: freeze', 'trouble: cut'],
      ...['clock jump', 'storage clock jump', 'wrong storage clock'],
      ...[
        'trigger',
        'replay',
        'cancel',
        'cancelSlot',
        'pause',
        'resume',
        'update',
        'add',
        'remove',
        'prune',
        'realign',
        'explain',
        'ask again',
      ],
      ...['completed', 'completed_with_errors', 'failed', 'canceled', 'failed_stale', 'skipped', 'missed'],
    ]),
  )
})
