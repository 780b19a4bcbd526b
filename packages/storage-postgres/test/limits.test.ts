import { systemClock } from '@jobistemer/core'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Database } from '../src/database.ts'
import { PoolSource } from '../src/source.ts'

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(systemClock, 'monotonic').mockImplementation(() => Date.now())
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

it('a commandTimeout of several minutes is applied in full', async () => {
  const silent = { connect: () => new Promise<never>(() => {}) }
  const database = new Database(new PoolSource(silent, 'here', null), 300_000)
  let ended: unknown = null
  const call = database.query('SELECT 1').catch((reason: unknown) => {
    ended = reason
  })
  await vi.advanceTimersByTimeAsync(299_000)
  expect(ended).toBeNull()
  await vi.advanceTimersByTimeAsync(2000)
  await call
  expect(ended).toMatchObject({ code: 'STORAGE_BUSY', field: 'commandTimeout', value: 300_000 })
})

it('two processes wait for different random times before they repeat a transaction, even with the same process id', async () => {
  const conflict = Object.assign(new Error('could not serialize access'), { code: '40001' })
  const query = () => Promise.reject(conflict)
  const connect = async () => ({ query, release: () => {} })
  const timers = vi.spyOn(systemClock, 'setTimer')
  const pauses = async (): Promise<readonly number[]> => {
    timers.mockClear()
    const database = new Database(new PoolSource({ connect }, 'here', null), 10_000)
    const call = database.transaction(async () => undefined).catch((reason: unknown) => reason)
    await vi.runAllTimersAsync()
    expect(await call).toBe(conflict)
    return timers.mock.calls.map(([delayMs]) => delayMs).filter((delayMs) => delayMs < 1000)
  }
  const first = await pauses()
  expect(first).toHaveLength(11)
  expect(await pauses()).not.toEqual(first)
})

it('the time that a call waits for a connection does not count as waiting for a lock', async () => {
  const refused = Object.assign(new Error('canceling statement due to lock timeout'), { code: '55P03' })
  const release = () => {}
  let heldMs = 0
  const query = () => new Promise<never>((_, reject) => setTimeout(() => reject(refused), heldMs))
  const connect = () =>
    new Promise<{ query: typeof query; release: () => void }>((resolve) => {
      setTimeout(() => resolve({ query, release }), 9500 - heldMs)
    })
  const database = new Database(new PoolSource({ connect }, 'here', null), 10_000)
  const call = async () => {
    const failure = database.query('SELECT 1').catch((reason: unknown) => reason)
    await vi.advanceTimersByTimeAsync(9600)
    return await failure
  }
  // The call waits 9.5 s for a connection. Then its statement fails at once with a lock error. The storage's limit for locks is
  // 9 s, and the wait for the lock itself was much shorter. So the lock error does not come from this limit, and the caller
  // receives the error unchanged.
  expect(await call()).toBe(refused)
  heldMs = 9100
  expect(await call()).toMatchObject({ code: 'STORAGE_BUSY', cause: refused })
})
