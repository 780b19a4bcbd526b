import { toDurationMs } from '../duration.ts'
import { invalidValue, JobistemerError, printValue } from '../errors.ts'
import type { OverlapPolicy, StartRate } from '../storage/job-record.ts'
import { orDefault, readChoice, readInteger, readNumber, readObject } from './read-value.ts'
import {
  defaultSettings,
  type FailureStrategy,
  type InterruptionStrategy,
  type IsolationStrategy,
  type JobOverrides,
  type JobSettingsInput,
  type KeepLogs,
  type KeepLogsInput,
  type RecoveryStrategy,
  type RecoveryStrategyInput,
  type Retention,
  type RetentionInput,
  type RetryPolicy,
  type RetryPolicyInput,
  type StartRateInput,
  type TaskExecutionMode,
  type TaskOverrides,
  type TaskSettingsInput,
} from './settings.ts'
import { dayMs, longestReadable, rememberedValues } from '../tuning.ts'

export const taskSettingNames: readonly string[] = ['failureStrategy', 'retryPolicy', 'taskTimeout', 'keepLogs']
export const jobSettingNames: readonly string[] = [
  ...taskSettingNames,
  'taskExecutionMode',
  'executionTimeout',
  'overlapPolicy',
  'maxQueued',
  'maxConcurrency',
  'startRate',
  'priority',
  'recoveryStrategy',
  'misfireThreshold',
  'onInterrupted',
  'maxRescues',
  'whileIsolated',
  'retention',
  'alertAfter',
  'timezone',
]

const executionModes: readonly TaskExecutionMode[] = ['sequential', 'parallel']
const failureStrategies: readonly FailureStrategy[] = ['fail_fast', 'continue', 'retry_on_failure']
const overlapPolicies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'allow', 'cancel_running']
const interruptionStrategies: readonly InterruptionStrategy[] = ['fail', 'retry']
const isolationStrategies: readonly IsolationStrategy[] = ['continue', 'abort']
const plainRecoveryStrategies = ['execute_all', 'execute_last', 'mark_as_missed', 'compressed'] as const

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Checks the settings of a task. `path` is put before the names of fields in messages: `tasks[0].`. */
export function readTaskSettings(input: TaskSettingsInput, path: string): TaskOverrides {
  const overrides: Mutable<TaskOverrides> = {}
  if (input.failureStrategy !== undefined) {
    overrides.failureStrategy = readChoice(input.failureStrategy, failureStrategies, `${path}failureStrategy`)
  }
  if (input.retryPolicy !== undefined) {
    overrides.retryPolicy = readRetryPolicy(input.retryPolicy, `${path}retryPolicy`)
  }
  if (input.taskTimeout !== undefined) {
    overrides.taskTimeoutMs = toDurationMs(input.taskTimeout, `${path}taskTimeout`, { min: 1 })
  }
  if (input.keepLogs !== undefined) overrides.keepLogs = readKeepLogs(input.keepLogs, `${path}keepLogs`)
  return overrides
}

/** Checks the settings of a job or of a scheduler. */
export function readJobSettings(input: JobSettingsInput, path = ''): JobOverrides {
  const overrides: Mutable<JobOverrides> = readTaskSettings(input, path)
  if (input.taskExecutionMode !== undefined) {
    overrides.taskExecutionMode = readChoice(input.taskExecutionMode, executionModes, `${path}taskExecutionMode`)
  }
  if (input.executionTimeout !== undefined) {
    overrides.executionTimeoutMs = toDurationMs(input.executionTimeout, `${path}executionTimeout`, { min: 1 })
  }
  if (input.overlapPolicy !== undefined) {
    overrides.overlapPolicy = readChoice(input.overlapPolicy, overlapPolicies, `${path}overlapPolicy`)
  }
  if (input.maxConcurrency !== undefined) {
    overrides.maxConcurrency = readInteger(input.maxConcurrency, `${path}maxConcurrency`, 1, 1000)
  }
  if (input.startRate !== undefined) {
    overrides.startRate = input.startRate === 'unlimited' ? null : readStartRate(input.startRate, `${path}startRate`)
  }
  if (input.priority !== undefined) overrides.priority = readPriority(input.priority, `${path}priority`)
  if (input.maxQueued !== undefined) {
    overrides.maxQueued = readInteger(input.maxQueued, `${path}maxQueued`, 1, 1_000_000)
  }
  if (input.recoveryStrategy !== undefined) {
    overrides.recoveryStrategy = readRecoveryStrategy(input.recoveryStrategy, `${path}recoveryStrategy`)
  }
  if (input.misfireThreshold !== undefined) {
    overrides.misfireThresholdMs = toDurationMs(input.misfireThreshold, `${path}misfireThreshold`)
  }
  if (input.onInterrupted !== undefined)
    overrides.onInterrupted = readChoice(input.onInterrupted, interruptionStrategies, `${path}onInterrupted`)
  if (input.maxRescues !== undefined) {
    overrides.maxRescues = readInteger(input.maxRescues, `${path}maxRescues`, 0, 1000)
  }
  if (input.whileIsolated !== undefined)
    overrides.whileIsolated = readChoice(input.whileIsolated, isolationStrategies, `${path}whileIsolated`)
  if (input.retention !== undefined) overrides.retention = readRetention(input.retention, `${path}retention`)
  if (input.alertAfter !== undefined) {
    overrides.alertAfterMs =
      input.alertAfter === 'never' ? null : toDurationMs(input.alertAfter, `${path}alertAfter`, { min: 1000 })
  }
  if (input.timezone !== undefined) overrides.timezone = readTimezone(input.timezone, `${path}timezone`)
  return overrides
}

/** -10 to 10. */
export function readPriority(value: unknown, field: string): number {
  // No negative zero.
  return readInteger(value, field, -10, 10) || 0
}

function readStartRate(input: StartRateInput, field: string): StartRate {
  readObject(input, field, ['limit', 'interval'])
  const { limit } = input
  // The head of the job keeps the instant of each start of an interval.
  const mostStarts = 100
  if (Number.isInteger(limit) && limit > mostStarts) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `${field}.limit is more than ${mostStarts}: ${limit}.`,
      field: `${field}.limit`,
      value: limit,
      remedy: `Divide both: ${mostStarts} starts in a part of the interval are as many in the whole of it.`,
    })
  }
  const range = { min: 1, max: 366 * dayMs }
  return {
    limit: readInteger(limit, `${field}.limit`, 1, mostStarts),
    intervalMs: toDurationMs(input.interval, `${field}.interval`, range),
  }
}

function readRetryPolicy(input: RetryPolicyInput, field: string): RetryPolicy {
  if (typeof input === 'object' && input !== null && 'retryIf' in input) throw functionNotStored(input.retryIf, field)
  readObject(input, field, ['maxRetries', 'retryInterval', 'backoffFactor', 'maxInterval', 'jitter'])
  const retryIntervalMs = toDurationMs(orDefault(input.retryInterval, 1000), `${field}.retryInterval`)
  return {
    maxRetries: readInteger(input.maxRetries, `${field}.maxRetries`, 0, 1000),
    retryIntervalMs,
    backoffFactor: readNumber(orDefault(input.backoffFactor, 1), `${field}.backoffFactor`, 1, 100),
    maxIntervalMs: toDurationMs(
      orDefault(input.maxInterval, Math.max(retryIntervalMs, 3_600_000)),
      `${field}.maxInterval`,
    ),
    jitter: readNumber(orDefault(input.jitter, 0), `${field}.jitter`, 0, 1),
  }
}

function functionNotStored(retryIf: unknown, field: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `${field}.retryIf is a function, and cannot be stored here.`,
    field: `${field}.retryIf`,
    value: retryIf,
    remedy: 'Give it to defineJob beside run or module, or throw a NonRetryableError in the handler.',
  })
}

function readRecoveryStrategy(input: RecoveryStrategyInput, field: string): RecoveryStrategy {
  if (typeof input !== 'object' || input === null) {
    if (plainRecoveryStrategies.includes(input)) return { type: input }
    throw invalidValue(
      field,
      'is not a recovery strategy',
      input,
      `Allowed are ${plainRecoveryStrategies.map(printValue).join(', ')} and { type: "bounded_window", maxOccurrences, maxAge }.`,
    )
  }
  readObject(input, field, ['type', 'maxOccurrences', 'maxAge'])
  readChoice(input.type, ['bounded_window'], `${field}.type`)
  if (input.maxOccurrences === undefined && input.maxAge === undefined) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `${field} has no bound.`,
      field,
      value: input,
      remedy: 'Give maxOccurrences, maxAge or both.',
    })
  }
  const { maxOccurrences, maxAge } = input
  return {
    type: 'bounded_window',
    maxOccurrences:
      maxOccurrences === undefined ? null : readInteger(maxOccurrences, `${field}.maxOccurrences`, 1, 1_000_000),
    maxAgeMs: maxAge === undefined ? null : toDurationMs(maxAge, `${field}.maxAge`, { min: 1 }),
  }
}

function readKeepLogs(input: KeepLogsInput, field: string): KeepLogs | null {
  if (input === false) return null
  if (input !== true && (typeof input !== 'object' || input === null)) {
    throw invalidValue(field, 'does not say what to keep', input, 'Allowed are true, false and { lines }.')
  }
  const { lines } = input === true ? {} : readObject(input, field, ['lines'])
  return { lines: readInteger(orDefault(lines, 100), `${field}.lines`, 1, 1000) }
}

function readRetention(input: RetentionInput, field: string): Retention | null {
  if (input === 'forever') return null
  if (typeof input !== 'object' || input === null) {
    throw invalidValue(field, 'is not a retention', input, 'Allowed are "forever" and { olderThan, keep }.')
  }
  readObject(input, field, ['olderThan', 'keep'])
  const { olderThanMs, keep } = defaultSettings.retention as Retention
  return {
    olderThanMs: toDurationMs(orDefault(input.olderThan, olderThanMs), `${field}.olderThan`),
    keep: readInteger(orDefault(input.keep, keep), `${field}.keep`, 0, 1_000_000),
  }
}

// Intl takes 0.1 ms per check, and thousands of jobs share a few zones. The cache is bounded, because the number of
// spellings of a zone is unlimited.
const knownTimezones = new Set<string>()

/** Checks that a time zone is one that this runtime knows. @throws JobistemerError `INVALID_TIMEZONE` */
export function readTimezone(input: string, field: string): string {
  if (knownTimezones.has(input)) return input
  try {
    const isText = typeof input === 'string' && input.length <= longestReadable
    if (isText && new Intl.DateTimeFormat('en-US', { timeZone: input })) {
      if (knownTimezones.size < rememberedValues) knownTimezones.add(input)
      return input
    }
  } catch {
    // Intl answers an unknown zone with a RangeError that names no field.
  }
  throw invalidValue(
    field,
    'is not a known time zone',
    input,
    'Give an IANA name such as "Europe/Berlin" or "UTC", of at most 100 characters.',
    'INVALID_TIMEZONE',
  )
}
