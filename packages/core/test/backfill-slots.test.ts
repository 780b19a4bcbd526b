import { describe, expect, it } from 'vitest'
import { presentSchedule, slotsOf } from '../src/engine/api/backfill-states.ts'
import { YieldBudget } from '../src/engine/runtime/yield-budget.ts'

const old = { type: 'old' }
const newer = { type: 'newer' }

describe('the present schedule of a timeline', () => {
  const whole = [{ after: null, until: null, schedule: old }]
  const windowed = [
    { after: null, until: 100, schedule: old },
    { after: 100, until: 200, schedule: newer },
    { after: 200, until: null, schedule: old },
  ]

  it.each([
    ['the only one', whole, 50, old],
    ['that before a window', windowed, 99, old],
    ['that of the window, from the instant at which it takes over', windowed, 100, newer],
    ['that of the window, as long as it decides what comes', windowed, 199, newer],
    ['that after the window', windowed, 200, old],
    ['the first to come, where the timeline begins later', windowed.slice(1), 50, newer],
    ['the last, where the timeline is over', windowed.slice(0, 2), 200, newer],
    ['none of an empty timeline', [], 50, undefined],
  ])('depends on the present instant: the present schedule is %s', (_, timeline, now, schedule) => {
    expect(presentSchedule(timeline, now)).toEqual(schedule)
  })
})

it.each(['oldest_first', 'newest_first'] as const)(
  'a backfill in the order %s yields to the event loop while it searches for slots of a schedule that is slow to compute',
  async (order) => {
    let now = 0
    const took = (slot: number): number => {
      now += 1
      return slot
    }
    const series = {
      nextMs: (afterMs: number) => took(afterMs + 1),
      previousMs: (beforeMs: number) => took(beforeMs - 1),
    }
    let longest = 0
    let beganAt = 0
    let isOver = false
    const look = (): void => {
      longest = Math.max(longest, now - beganAt)
      beganAt = now
      if (!isOver) setImmediate(look)
    }
    setImmediate(look)
    const slots = await slotsOf(series, { from: 0, to: 1000, order }, new YieldBudget({ monotonic: () => now }))
    isOver = true
    expect(slots).toHaveLength(1000)
    expect(Math.max(longest, now - beganAt)).toBeLessThanOrEqual(10)
  },
)
