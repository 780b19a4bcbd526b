import { describe, expect, it } from 'vitest'
import { failuresOf, type KeptAttempts, withAttempt } from '../src/engine/execution/retry.ts'
import type { AttemptRecord, AttemptState } from '../src/storage/occurrence-record.ts'

/** Returns the attempts that are kept after `count` attempts of a task. */
function tried(count: number, stateOf: (number: number) => AttemptState = () => 'failed'): KeptAttempts {
  let kept: KeptAttempts = { attempts: [], omitted: undefined }
  for (let number = 1; number <= count; number++) {
    const cause = { name: 'Error', message: 'why' }
    const error = { name: 'Error', message: `no ${number}`, code: 'E_NO', stack: 'Error: no', cause, errors: [cause] }
    const attempt: AttemptRecord = { number, state: stateOf(number), startedAt: number, endedAt: number, error }
    kept = withAttempt(kept, attempt)
  }
  return kept
}

const numbers = ({ attempts }: KeptAttempts) => attempts.map(({ number }) => number)

describe('the stored attempts of a task', () => {
  it('are complete up to twenty attempts', () => {
    const kept = tried(20)
    expect(numbers(kept)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    expect(kept.omitted).toBeUndefined()
  })

  it('consist, beyond twenty attempts, of the first five, the last fifteen, and the number of the attempts between these', () => {
    for (const [count, firstOfLast] of [
      [21, 7],
      [22, 8],
      [1000, 986],
    ] as const) {
      const kept = tried(count)
      const last = Array.from({ length: 15 }, (_, index) => firstOfLast + index)
      expect(numbers(kept)).toEqual([1, 2, 3, 4, 5, ...last])
      expect(kept.omitted).toEqual({ attempts: count - 20, failures: count - 20 })
    }
  })

  it('let `failuresOf` count every attempt that failed or timed out, even if it is no longer stored', () => {
    const states: readonly AttemptState[] = ['failed', 'timed_out', 'lost', 'aborted', 'succeeded']
    const stateOf = (number: number) => states[number % states.length] as AttemptState
    for (const count of [5, 20, 21, 100, 1003]) {
      const all = Array.from({ length: count }, (_, index) => stateOf(index + 1))
      const failed = all.filter((state) => state === 'failed' || state === 'timed_out').length
      expect(failuresOf(tried(count, stateOf))).toBe(failed)
    }
  })

  it('keep the stack and the causes only of the first error and of the last three errors', () => {
    const withStack = ({ attempts }: KeptAttempts) => {
      return attempts.filter(({ error }) => error?.stack !== undefined).map(({ number }) => number)
    }
    expect(withStack(tried(4))).toEqual([1, 2, 3, 4])
    expect(withStack(tried(5))).toEqual([1, 3, 4, 5])
    expect(withStack(tried(100))).toEqual([1, 98, 99, 100])
    expect(tried(5).attempts[1]?.error).toEqual({ name: 'Error', message: 'no 2', code: 'E_NO' })
  })

  it('are copied when an attempt is added, so that earlier snapshots do not change', () => {
    const before = tried(20)
    const text = JSON.stringify(before)
    withAttempt(before, { number: 21, state: 'running', startedAt: 21, endedAt: null })
    expect(JSON.stringify(before)).toBe(text)
  })
})
