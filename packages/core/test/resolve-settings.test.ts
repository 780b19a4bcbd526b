import { describe, expect, it } from 'vitest'
import { defaultSettings, resolveJobSettings, resolveTaskSettings } from '../src/configuration/resolve-settings.ts'

const retryPolicy = { maxRetries: 1, retryIntervalMs: 1000, backoffFactor: 1, maxIntervalMs: 1000, jitter: 0 }

describe('effective settings', () => {
  it('are the defaults if no level sets any', () => {
    expect(resolveJobSettings({}, {})).toEqual(defaultSettings)
  })

  it('of a later level override earlier ones, field by field', () => {
    const settings = resolveJobSettings(
      { taskTimeoutMs: 1, executionTimeoutMs: 10, overlapPolicy: 'allow' },
      { taskTimeoutMs: 2, executionTimeoutMs: 20 },
      { taskTimeoutMs: 3 },
    )
    expect(settings).toEqual({ ...defaultSettings, taskTimeoutMs: 3, executionTimeoutMs: 20, overlapPolicy: 'allow' })
  })

  it('of a task are its job’s, apart from its own', () => {
    const job = resolveJobSettings({ failureStrategy: 'continue', taskTimeoutMs: 7, keepLogs: null })
    expect(resolveTaskSettings(job, {})).toEqual({
      failureStrategy: 'continue',
      retryPolicy: null,
      taskTimeoutMs: 7,
      keepLogs: null,
    })
    expect(resolveTaskSettings(job, { retryPolicy, failureStrategy: 'fail_fast' })).toEqual({
      failureStrategy: 'fail_fast',
      retryPolicy,
      taskTimeoutMs: 7,
      keepLogs: null,
    })
  })

  it('that are equal are one frozen object', () => {
    const settings = resolveJobSettings({ maxQueued: 5 })
    expect(resolveJobSettings({ maxQueued: 5 })).toBe(settings)
    expect(Object.isFrozen(settings)).toBe(true)
  })

  it('stay correct beyond the size of the cache', () => {
    for (let taskTimeoutMs = 1; taskTimeoutMs <= 2500; taskTimeoutMs++) {
      expect(resolveJobSettings({ taskTimeoutMs }).taskTimeoutMs).toBe(taskTimeoutMs)
    }
  })
})
