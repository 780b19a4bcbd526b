import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { occurrenceId, jobId } from '../src/index.ts'
import { prioritized } from '../src/job/job-document.ts'
import { compareOrder, orderAt, priorityStepMs } from '../src/storage/index.ts'

const job = jobId('job')

function waiting(scheduledAt: number, priority: number | undefined) {
  return { id: occurrenceId(job, scheduledAt), scheduledAt, details: priority === undefined ? {} : { priority } }
}

describe('the order of waiting occurrences', () => {
  it('is the order of their instants if no occurrence has a priority', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (left, right) => {
        expect(Math.sign(compareOrder(waiting(left, undefined), waiting(right, undefined)))).toBe(
          Math.sign(left - right),
        )
      }),
    )
  })

  it('places an occurrence one hour earlier for each level of its priority', () => {
    expect(priorityStepMs).toBe(3_600_000)
    const at = Date.UTC(2026, 0, 1)
    expect([undefined, 0, 1, -2].map((priority) => orderAt(waiting(at, priority)) - at)).toEqual([
      0, 0, -3_600_000, 7_200_000,
    ])
  })

  it('compares ids if the instants, shifted by the priorities, are equal', () => {
    const [one, other] = [waiting(priorityStepMs, 1), waiting(0, undefined)]
    expect(orderAt(one)).toBe(orderAt(other))
    expect(compareOrder(one, other)).toBe(one.id < other.id ? -1 : 1)
    expect(compareOrder(other, one)).toBe(one.id < other.id ? 1 : -1)
    expect(compareOrder(one, one)).toBe(0)
  })

  it('places every occurrence before all occurrences whose instants are more than 20 hours later', () => {
    const priorities = fc.integer({ min: -10, max: 10 })
    fc.assert(
      fc.property(priorities, priorities, fc.integer({ min: 1 }), (first, second, ms) => {
        const later = 20 * priorityStepMs + ms
        expect(compareOrder(waiting(0, first), waiting(later, second))).toBeLessThan(0)
      }),
    )
  })
})

describe('the priority of a run', () => {
  it('is the priority of the request, or else of the job, and is stored only if it is not 0', () => {
    expect(prioritized({}, { priority: 0 })).toEqual({})
    expect(prioritized({}, { priority: 3 })).toEqual({ priority: 3 })
    expect(prioritized({ priority: -2, requestKey: 'key' }, { priority: 3 })).toEqual({
      priority: -2,
      requestKey: 'key',
    })
    expect(prioritized({ priority: 0, requestKey: 'key' }, { priority: 3 })).toEqual({ requestKey: 'key' })
  })
})
