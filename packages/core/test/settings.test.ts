import { describe, expect, it } from 'vitest'
import type { JobSettingsInput, TaskSettingsInput } from '../src/configuration/settings.ts'
import { readJobSettings, readTaskSettings } from '../src/configuration/read-settings.ts'
import { readTimezone } from '../src/configuration/read-timezone.ts'
import type { ErrorCode } from '../src/errors.ts'
import { refusalOf, thrownBy } from './support/thrown-by.ts'

const readJob = (input: unknown) => readJobSettings(input as JobSettingsInput, 'defaults.')
const readTask = (input: unknown) => readTaskSettings(input as TaskSettingsInput, 'tasks[2].')

describe('the settings of a job or task', () => {
  it('omit each value that is absent or undefined, so that the value of the scheduler or of the job applies', () => {
    expect(readJob({})).toEqual({})
    expect(readTask({})).toEqual({})
    expect(readJob({ retryPolicy: undefined, overlapPolicy: undefined })).toEqual({})
  })

  it('contain every given field, and durations as milliseconds', () => {
    expect(
      readJob({
        taskExecutionMode: 'parallel',
        failureStrategy: 'continue',
        retryPolicy: {
          maxRetries: 5,
          retryInterval: 'PT2S',
          backoffFactor: 2,
          maxInterval: { minutes: 1 },
          jitter: 0.5,
        },
        executionTimeout: { hours: 2 },
        taskTimeout: 1000,
        overlapPolicy: 'queue',
        maxQueued: 7,
        recoveryStrategy: 'execute_all',
        misfireThreshold: 'PT0S',
        onInterrupted: 'retry',
        maxRescues: 0,
        whileIsolated: 'abort',
        retention: { olderThan: { days: 2 } },
        keepLogs: { lines: 7 },
        alertAfter: { hours: 26 },
        timezone: 'Europe/Berlin',
      }),
    ).toEqual({
      taskExecutionMode: 'parallel',
      failureStrategy: 'continue',
      retryPolicy: { maxRetries: 5, retryIntervalMs: 2000, backoffFactor: 2, maxIntervalMs: 60_000, jitter: 0.5 },
      executionTimeoutMs: 7_200_000,
      taskTimeoutMs: 1000,
      overlapPolicy: 'queue',
      maxQueued: 7,
      recoveryStrategy: { type: 'execute_all' },
      misfireThresholdMs: 0,
      onInterrupted: 'retry',
      maxRescues: 0,
      whileIsolated: 'abort',
      retention: { olderThanMs: 172_800_000, keep: 10 },
      keepLogs: { lines: 7 },
      alertAfterMs: 93_600_000,
      timezone: 'Europe/Berlin',
    })
  })

  it('keep 100 log lines with `keepLogs: true`, and none with `keepLogs: false`', () => {
    expect(readTask({ keepLogs: true })).toEqual({ keepLogs: { lines: 100 } })
    expect(readTask({ keepLogs: {} })).toEqual({ keepLogs: { lines: 100 } })
    expect(readTask({ keepLogs: false })).toEqual({ keepLogs: null })
    expect(readJob({ alertAfter: 'never' })).toEqual({ alertAfterMs: null })
  })

  it('contain, for a retry policy, the defaults: interval 1 s, no back-off, no jitter, and maximum interval 1 h', () => {
    expect(readTask({ retryPolicy: { maxRetries: 2 } })).toEqual({
      retryPolicy: { maxRetries: 2, retryIntervalMs: 1000, backoffFactor: 1, maxIntervalMs: 3_600_000, jitter: 0 },
    })
  })

  it('contain, for a retry interval above 1 h, this interval as the maximum interval', () => {
    const { retryPolicy } = readTask({ retryPolicy: { maxRetries: 1, retryInterval: { hours: 6 } } })
    expect(retryPolicy?.maxIntervalMs).toBe(21_600_000)
  })

  it.each(['execute_all', 'execute_last', 'mark_as_missed', 'compressed'])(
    'accept the recovery strategy %s',
    (type) => {
      expect(readJob({ recoveryStrategy: type })).toEqual({ recoveryStrategy: { type } })
    },
  )

  it.each([
    [{ maxOccurrences: 3 }, { maxOccurrences: 3, maxAgeMs: null }],
    [{ maxAge: { hours: 1 } }, { maxOccurrences: null, maxAgeMs: 3_600_000 }],
    [
      { maxOccurrences: 3, maxAge: 5000 },
      { maxOccurrences: 3, maxAgeMs: 5000 },
    ],
  ])('accept a recovery window bounded by %j', (bounds, kept) => {
    expect(readJob({ recoveryStrategy: { type: 'bounded_window', ...bounds } })).toEqual({
      recoveryStrategy: { type: 'bounded_window', ...kept },
    })
  })
})

type BadSetting = [field: string, value: unknown, code: ErrorCode]

const badTaskSettings: BadSetting[] = [
  ['failureStrategy', 'ignore', 'INVALID_ARGUMENT'],
  ['failureStrategy', null, 'INVALID_ARGUMENT'],
  ['retryPolicy', 3, 'INVALID_ARGUMENT'],
  ['retryPolicy', null, 'INVALID_ARGUMENT'],
  ['retryPolicy', [], 'INVALID_ARGUMENT'],
  ['taskTimeout', 0, 'INVALID_DURATION'],
  ['taskTimeout', 'soon', 'INVALID_DURATION'],
  ['keepLogs', 100, 'INVALID_ARGUMENT'],
  ['keepLogs', null, 'INVALID_ARGUMENT'],
  ['keepLogs', [], 'INVALID_ARGUMENT'],
]

const badJobSettings: BadSetting[] = [
  ...badTaskSettings,
  ['taskExecutionMode', 'concurrent', 'INVALID_ARGUMENT'],
  ['executionTimeout', 0, 'INVALID_DURATION'],
  ['executionTimeout', { months: 1 }, 'INVALID_DURATION'],
  ['overlapPolicy', 'replace', 'INVALID_ARGUMENT'],
  ['maxQueued', 0, 'INVALID_ARGUMENT'],
  ['maxQueued', 1.5, 'INVALID_ARGUMENT'],
  ['maxQueued', '10', 'INVALID_ARGUMENT'],
  ['recoveryStrategy', 'execute_first', 'INVALID_ARGUMENT'],
  ['recoveryStrategy', 'bounded_window', 'INVALID_ARGUMENT'],
  ['recoveryStrategy', null, 'INVALID_ARGUMENT'],
  ['recoveryStrategy', { type: 'bounded_window' }, 'INVALID_ARGUMENT'],
  ['misfireThreshold', -1, 'INVALID_DURATION'],
  ['onInterrupted', 'ignore', 'INVALID_ARGUMENT'],
  ['maxRescues', -1, 'INVALID_ARGUMENT'],
  ['maxRescues', 1001, 'INVALID_ARGUMENT'],
  ['whileIsolated', 'stop', 'INVALID_ARGUMENT'],
  ['retention', 'never', 'INVALID_ARGUMENT'],
  ['retention', null, 'INVALID_ARGUMENT'],
  ['alertAfter', 999, 'INVALID_DURATION'],
  ['alertAfter', 'forever', 'INVALID_DURATION'],
  ['alertAfter', null, 'INVALID_DURATION'],
  ['timezone', 'Mars/Olympus', 'INVALID_TIMEZONE'],
  ['timezone', '', 'INVALID_TIMEZONE'],
  ['timezone', 2, 'INVALID_TIMEZONE'],
]

describe('an invalid setting is rejected with its field, its value and a remedy', () => {
  it.each(badJobSettings)('if the setting %s of a job is %j', (name, value, code) => {
    expect(refusalOf(() => readJob({ [name]: value }))).toEqual({ code, field: `defaults.${name}`, value })
  })

  it.each(badTaskSettings)('if the setting %s of a task is %j', (name, value, code) => {
    expect(refusalOf(() => readTask({ [name]: value }))).toEqual({ code, field: `tasks[2].${name}`, value })
  })

  it.each<BadSetting>([
    ['maxRetries', undefined, 'INVALID_ARGUMENT'],
    ['maxRetries', -1, 'INVALID_ARGUMENT'],
    ['maxRetries', 1001, 'INVALID_ARGUMENT'],
    ['maxRetries', Number.POSITIVE_INFINITY, 'INVALID_ARGUMENT'],
    ['retryInterval', 'later', 'INVALID_DURATION'],
    ['backoffFactor', 0.5, 'INVALID_ARGUMENT'],
    ['backoffFactor', 101, 'INVALID_ARGUMENT'],
    ['backoffFactor', Number.NaN, 'INVALID_ARGUMENT'],
    ['maxInterval', -1, 'INVALID_DURATION'],
    ['jitter', 1.1, 'INVALID_ARGUMENT'],
    ['jitter', -0.1, 'INVALID_ARGUMENT'],
    ['jitter', true, 'INVALID_ARGUMENT'],
    ['retries', 3, 'UNKNOWN_OPTION'],
  ])('if the member %s of a retry policy is %j', (name, value, code) => {
    const retryPolicy = { maxRetries: 1, [name]: value }
    expect(refusalOf(() => readTask({ retryPolicy }))).toEqual({ code, field: `tasks[2].retryPolicy.${name}`, value })
  })

  it.each<BadSetting>([
    ['type', 'window', 'INVALID_ARGUMENT'],
    ['type', undefined, 'INVALID_ARGUMENT'],
    ['maxOccurrences', 0, 'INVALID_ARGUMENT'],
    ['maxAge', 0, 'INVALID_DURATION'],
    ['maxAge', 'P1Y', 'INVALID_DURATION'],
    ['maxCount', 3, 'UNKNOWN_OPTION'],
  ])('if the member %s of a recovery window is %j', (name, value, code) => {
    const recoveryStrategy = { type: 'bounded_window', maxOccurrences: 1, [name]: value }
    expect(refusalOf(() => readJob({ recoveryStrategy }))).toEqual({
      code,
      field: `defaults.recoveryStrategy.${name}`,
      value,
    })
  })

  it('and the remedy lists the allowed values if the setting has a fixed set of values', () => {
    const { message } = thrownBy(() => readJob({ overlapPolicy: 'replace' }))
    for (const allowed of ['skip', 'queue', 'queue_one', 'allow', 'cancel_running']) {
      expect(message).toContain(`"${allowed}"`)
    }
  })
})

it('every time zone that this Node.js lists is accepted as a time zone', () => {
  for (const zone of [...Intl.supportedValuesOf('timeZone'), 'UTC', 'Etc/GMT+5']) {
    expect(readTimezone(zone, 'timezone')).toBe(zone)
  }
})
