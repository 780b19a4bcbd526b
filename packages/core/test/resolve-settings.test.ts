import { describe, expect, it } from 'vitest'
import { defaultSettings, resolveJobSettings, resolveTaskSettings } from '../src/configuration/read-settings.ts'

const retryPolicy = { maxRetries: 1, retryIntervalMs: 1000, backoffFactor: 1, maxIntervalMs: 1000, jitter: 0 }

describe('the effective settings of a job or task', () => {
  it('equal the defaults if no level sets a value', () => {
    expect(resolveJobSettings({}, {})).toEqual(defaultSettings)
  })

  it('take each field from the last level that sets it', () => {
    const settings = resolveJobSettings(
      { taskTimeoutMs: 1, executionTimeoutMs: 10, overlapPolicy: 'allow' },
      { taskTimeoutMs: 2, executionTimeoutMs: 20 },
      { taskTimeoutMs: 3 },
    )
    expect(settings).toEqual({ ...defaultSettings, taskTimeoutMs: 3, executionTimeoutMs: 20, overlapPolicy: 'allow' })
  })

  it('equal, for a task, the settings of its job unless the task sets them itself', () => {
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

  it('are the same frozen object for all jobs with equal settings', () => {
    const settings = resolveJobSettings({ maxQueued: 5 })
    expect(resolveJobSettings({ maxQueued: 5 })).toBe(settings)
    expect(Object.isFrozen(settings)).toBe(true)
  })

  it('are correct even if there are more different settings than the cache of settings can hold', () => {
    for (let taskTimeoutMs = 1; taskTimeoutMs <= 2500; taskTimeoutMs++) {
      expect(resolveJobSettings({ taskTimeoutMs }).taskTimeoutMs).toBe(taskTimeoutMs)
    }
  })
})
