import { type DurationBounds, type DurationInput, toDurationMs } from '../duration.ts'
import { invalidValue, JobistemerError, printValue } from '../errors.ts'
import type { OverlapPolicy, StartRate } from '../storage/job-record.ts'
import { orDefault, readChoice, readInteger, readNumber, readObject } from './read-value.ts'
import { defaultSettings } from './resolve-settings.ts'
import type {
  FailureStrategy,
  InterruptionStrategy,
  IsolationStrategy,
  JobOverrides,
  JobSettingsInput,
  KeepLogs,
  KeepLogsInput,
  RecoveryStrategy,
  RecoveryStrategyInput,
  Retention,
  RetentionInput,
  RetryPolicy,
  RetryPolicyInput,
  StartRateInput,
  TaskExecutionMode,
  TaskOverrides,
  TaskSettingsInput,
} from './settings.ts'
import { dayMs } from '../tuning.ts'
import { readTimezone } from './read-timezone.ts'

const plainRecoveryStrategies = ['execute_all', 'execute_last', 'mark_as_missed', 'compressed'] as const

/**
 * The name that a setting has after its check, and the function that checks the setting. A checked duration has a name that
 * ends with `Ms`.
 */
type SettingReader = readonly [checked: keyof JobOverrides, read: (value: never, field: string) => unknown]

function duration(bounds: DurationBounds = {}) {
  return (value: DurationInput, field: string): number => toDurationMs(value, field, bounds)
}

function choice<T extends string>(choices: readonly T[]) {
  return (value: T, field: string): T => readChoice(value, choices, field)
}

function integer(min: number, max: number) {
  return (value: number, field: string): number => readInteger(value, field, min, max)
}

/**
 * Returns a function that checks a value. For the text `word`, which means "no value", that function returns `null`; for any
 * other value, it returns the result of `read`.
 */
function unless<T>(word: string, read: (value: T, field: string) => unknown) {
  return (value: T, field: string): unknown => (value === word ? null : read(value, field))
}

const taskReaders: Readonly<Record<keyof TaskSettingsInput, SettingReader>> = {
  failureStrategy: ['failureStrategy', choice<FailureStrategy>(['fail_fast', 'continue', 'retry_on_failure'])],
  retryPolicy: ['retryPolicy', readRetryPolicy],
  taskTimeout: ['taskTimeoutMs', duration({ min: 1 })],
  keepLogs: ['keepLogs', readKeepLogs],
}

const jobReaders: Readonly<Record<keyof JobSettingsInput, SettingReader>> = {
  ...taskReaders,
  taskExecutionMode: ['taskExecutionMode', choice<TaskExecutionMode>(['sequential', 'parallel'])],
  executionTimeout: ['executionTimeoutMs', duration({ min: 1 })],
  overlapPolicy: ['overlapPolicy', choice<OverlapPolicy>(['skip', 'queue', 'queue_one', 'allow', 'cancel_running'])],
  maxQueued: ['maxQueued', integer(1, 1_000_000)],
  maxConcurrency: ['maxConcurrency', integer(1, 1000)],
  startRate: ['startRate', unless('unlimited', readStartRate)],
  priority: ['priority', readPriority],
  recoveryStrategy: ['recoveryStrategy', readRecoveryStrategy],
  misfireThreshold: ['misfireThresholdMs', duration()],
  onInterrupted: ['onInterrupted', choice<InterruptionStrategy>(['fail', 'retry'])],
  maxRescues: ['maxRescues', integer(0, 1000)],
  whileIsolated: ['whileIsolated', choice<IsolationStrategy>(['continue', 'abort'])],
  retention: ['retention', readRetention],
  alertAfter: ['alertAfterMs', unless('never', duration({ min: 1000 }))],
  timezone: ['timezone', readTimezone],
}

export const taskSettingNames: readonly string[] = Object.keys(taskReaders)
export const jobSettingNames: readonly string[] = Object.keys(jobReaders)

/** Checks the settings of a task. `path` precedes the names of fields in messages, such as `tasks[0].`. */
export function readTaskSettings(input: TaskSettingsInput, path: string): TaskOverrides {
  return readEach(taskReaders, input, path)
}

/** Checks the settings of a job, or the defaults of a scheduler. */
export function readJobSettings(input: JobSettingsInput, path = ''): JobOverrides {
  return readEach(jobReaders, input, path)
}

function readEach(readers: Readonly<Record<string, SettingReader>>, input: object, path: string): JobOverrides {
  const overrides: Record<string, unknown> = {}
  for (const [name, [checked, read]] of Object.entries(readers)) {
    const value = (input as Readonly<Record<string, unknown>>)[name]
    if (value !== undefined) overrides[checked] = read(value as never, `${path}${name}`)
  }
  return overrides
}

/** Checks a priority: an integer from -10 to 10. */
export function readPriority(value: unknown, field: string): number {
  // `|| 0` turns -0 into 0.
  return readInteger(value, field, -10, 10) || 0
}

function readStartRate(input: StartRateInput, field: string): StartRate {
  readObject(input, field, ['limit', 'interval'])
  const { limit } = input
  // Maximum `limit` of a start rate. The job's record keeps the instants of up to `limit` starts, so a higher limit would
  // make the record large.
  const mostStarts = 100
  if (Number.isInteger(limit) && limit > mostStarts) {
    const remedy = `Divide both: ${mostStarts} starts in a part of the interval are as many in the whole of it.`
    throw invalidValue(`${field}.limit`, `is more than ${mostStarts}`, limit, remedy)
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
