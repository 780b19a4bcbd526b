import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FailureStrategy, RetryPolicy } from '../src/configuration/settings.ts'
import { failuresOf, resumesAt, retryDelay } from '../src/engine/execution/retry.ts'
import type { AttemptRecord, AttemptState } from '../src/storage/occurrence-record.ts'

const policy: RetryPolicy = { maxRetries: 4, retryIntervalMs: 1000, backoffFactor: 2, maxIntervalMs: 5000, jitter: 0 }

function attempts(...states: AttemptState[]): AttemptRecord[] {
  return states.map((state, index) => ({ number: index + 1, state, startedAt: 0, endedAt: 1 }))
}

function delayAfter(options: {
  states: AttemptState[]
  retryPolicy?: RetryPolicy | null
  failureStrategy?: FailureStrategy
  random?: number
}): number | null {
  const { states, retryPolicy = policy, failureStrategy = 'fail_fast', random = 0 } = options
  const failed = failuresOf({ attempts: attempts(...states), omitted: undefined })
  return retryDelay({ retryPolicy, failureStrategy, keepLogs: null, taskTimeoutMs: 1 }, failed, () => random)
}

const failures = (count: number): AttemptState[] => Array.from({ length: count }, () => 'failed')

describe('a failed task', () => {
  it('is not tried again without a retry policy', () => {
    expect(delayAfter({ states: failures(1), retryPolicy: null })).toBeNull()
    expect(delayAfter({ states: failures(1), retryPolicy: null, failureStrategy: 'continue' })).toBeNull()
    expect(delayAfter({ states: failures(1), retryPolicy: { ...policy, maxRetries: 0 } })).toBeNull()
  })

  it('is tried again after intervals that grow up to maxInterval, until its retries are exhausted', () => {
    const delays = [1, 2, 3, 4, 5, 6].map((count) => delayAfter({ states: failures(count) }))
    expect(delays).toEqual([1000, 2000, 4000, 5000, null, null])
  })

  it('is tried again at once if the retry interval is 0', () => {
    expect(delayAfter({ states: failures(1), retryPolicy: { ...policy, retryIntervalMs: 0 } })).toBe(0)
  })

  it('is tried again after an attempt that timed out, by the same rules as after an attempt that failed', () => {
    expect(delayAfter({ states: ['timed_out', 'failed'] })).toBe(2000)
  })

  it('keeps its retries after an attempt that was lost with a node or aborted by a shutdown', () => {
    expect(delayAfter({ states: ['lost', 'aborted', 'lost', 'lost', 'lost', 'failed'] })).toBe(1000)
  })

  it('is tried again under retry_on_failure by its own retry policy, or three times without a policy', () => {
    const failureStrategy = 'retry_on_failure'
    const delays = [1, 2, 3, 4].map((count) =>
      delayAfter({ states: failures(count), retryPolicy: null, failureStrategy }),
    )
    expect(delays).toEqual([1000, 2000, 4000, null])
    expect(delayAfter({ states: failures(4), failureStrategy })).toBe(5000)
  })

  it('waits at most its retry interval, and at least the interval minus the jitter', () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(unit, unit, fc.integer({ min: 1, max: 4 }), (jitter, random, count) => {
        const full = delayAfter({ states: failures(count) }) as number
        const delay = delayAfter({ states: failures(count), retryPolicy: { ...policy, jitter }, random }) as number
        expect(delay).toBeLessThanOrEqual(full)
        expect(delay).toBeGreaterThanOrEqual(full * (1 - jitter) - 1e-9)
      }),
    )
  })

  it('waits a finite time under every retry policy', () => {
    const retryPolicy = { ...policy, maxRetries: 1000, backoffFactor: 100, maxIntervalMs: 3_600_000 }
    expect(delayAfter({ states: failures(900), retryPolicy })).toBe(3_600_000)
    expect(delayAfter({ states: failures(900), retryPolicy: { ...retryPolicy, retryIntervalMs: 0 } })).toBe(0)
  })
})

describe('a task that waited for a retry when its run lost its owner', () => {
  const interval = 1000
  const settings = (retryPolicy: RetryPolicy) =>
    ({ retryPolicy, failureStrategy: 'fail_fast', keepLogs: null, taskTimeoutMs: 1 }) as const
  /**
   * Returns the instant from which the next owner may retry a task; `null` if it may retry at once.
   * - Attempt 1 of the task failed at 100.
   * - `last` is attempt 2; `null` if the task has no attempt 2.
   * - `now` is the present time of the next owner.
   */
  function resumed(last: Omit<AttemptRecord, 'number'> | null, now: number = 500, jitter: number = 0): number | null {
    const failed: AttemptRecord = { number: 1, state: 'failed', startedAt: 0, endedAt: 100 }
    const list = last === null ? [failed] : [failed, { number: 2, ...last }]
    return resumesAt(settings({ ...policy, jitter }), { attempts: list, omitted: undefined }, now)
  }

  it('still waits until the instant of this retry when the next owner continues the run', () => {
    for (const state of ['lost', 'aborted'] as const) {
      expect(resumed({ state, startedAt: 1100, endedAt: 400 })).toBe(1100)
      expect(resumed({ state, startedAt: 1100, endedAt: 400 }, 1100)).toBeNull()
      expect(resumed({ state, startedAt: 1100, endedAt: 400 }, 9000)).toBeNull()
    }
  })

  it('does not wait if the attempt after the retry interval had already begun', () => {
    for (const state of ['lost', 'aborted'] as const) {
      expect(resumed({ state, startedAt: 300, endedAt: 400 })).toBeNull()
      // The clock of the previous owner was ahead, so the attempt began later than the present owner's time of 500.
      expect(resumed({ state, startedAt: 900, endedAt: 950 })).toBeNull()
    }
  })

  it('does not wait if no attempt has failed', () => {
    const attempt: AttemptRecord = { number: 1, state: 'lost', startedAt: 9000, endedAt: 10 }
    expect(resumesAt(settings(policy), { attempts: [attempt], omitted: undefined }, 500)).toBeNull()
    expect(resumesAt(settings(policy), { attempts: [], omitted: undefined }, 500)).toBeNull()
  })

  it('waits for the shortest interval that the jitter allows if the earlier owner had stored no next attempt', () => {
    expect(resumed(null)).toBe(100 + interval)
    expect(resumed(null, 500, 0.5)).toBe(100 + interval / 2)
    expect(resumed(null, 700, 0.5)).toBeNull()
  })

  it('never waits longer than its retry interval, even if the previous owner’s clock was wrong', () => {
    expect(resumed({ state: 'lost', startedAt: 50_000_000, endedAt: 400 })).toBe(500 + interval)
    expect(resumed(null, -50_000_000)).toBe(-50_000_000 + interval)
  })
})
