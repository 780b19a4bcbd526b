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

it('a limit of minutes is one of minutes', async () => {
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
