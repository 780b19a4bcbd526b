import { describe, expect, it } from 'vitest'
import { type Course, type MaybePromise, run, wait, whenDone } from '../src/storage/ledger/maybe-promise.ts'

function* sum(values: readonly MaybePromise<number>[], log: string[] = []): Course<number> {
  let total = 0
  for (const value of values) {
    log.push('asked')
    total += yield* wait(value)
    log.push('went on')
  }
  return total
}

describe('run, with a generator of steps,', () => {
  it('returns synchronously if no step returns a promise', () => {
    const log: string[] = []
    void Promise.resolve().then(() => log.push('another turn'))
    expect(run(sum([1, 2, 3], log))).toBe(6)
    expect(log).toEqual(['asked', 'went on', 'asked', 'went on', 'asked', 'went on'])
  })

  it('returns synchronously if there is no step', () => {
    expect(run(sum([]))).toBe(0)
  })

  it('continues asynchronously after the first step that returns a promise', async () => {
    const log: string[] = []
    const answer = run(sum([1, Promise.resolve(2), 3, Promise.resolve(4)], log))
    expect(log).toEqual(['asked', 'went on', 'asked'])
    expect(answer).toBeInstanceOf(Promise)
    expect(await answer).toBe(10)
  })

  it('runs nested generators', async () => {
    function* outer(inner: readonly MaybePromise<number>[]): Course<number> {
      return (yield* sum(inner)) * 2
    }
    expect(run(outer([1, 2]))).toBe(6)
    expect(await run(outer([1, Promise.resolve(2)]))).toBe(6)
  })

  it('throws or rejects if a step throws or rejects', async () => {
    function* failing(): Course<number> {
      yield* wait(1)
      throw new Error('out of order')
    }
    expect(() => run(failing())).toThrow('out of order')
    await expect(run(sum([Promise.reject(new Error('later'))]))).rejects.toThrow('later')
    await expect(run(sum([Promise.resolve(1), Promise.reject(new Error('still later'))]))).rejects.toThrow(
      'still later',
    )
  })
})

describe('whenDone', () => {
  it('calls its continuation at once for a value, and later for a promise', async () => {
    expect(whenDone(1, (value) => value + 1)).toBe(2)
    const later = whenDone(Promise.resolve(1), (value) => value + 1)
    expect(later).toBeInstanceOf(Promise)
    expect(await later).toBe(2)
  })
})
