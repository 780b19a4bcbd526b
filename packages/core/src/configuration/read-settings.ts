import { type DurationInput, type DurationBounds, toDurationMs } from '../duration.ts'
import type { StartRate } from '../storage/job-record.ts'
import { rememberedValues, dayMs } from '../tuning.ts'
import { invalidValue, type JobistemerError, printValue } from '../errors.ts'
import { orDefault, readChoice, readInteger, readNumber, readObject } from './read-value.ts'
import { readTimezone } from './read-timezone.ts'
import type {
  RetryPolicyInput,
  RecoveryStrategyInput,
  RetentionInput,
  KeepLogsInput,
  TaskSettingsInput,
  JobSettingsInput,
  RetryPolicy,
  RecoveryStrategy,
  Retention,
  KeepLogs,
  TaskSettings,
  StartRateInput,
  JobSettings,
  TaskOverrides,
  JobOverrides,
} from './settings.ts'

/** Merges levels of settings into the settings of a job: defaults → scheduler → job → trigger. A later level has precedence. */
export function resolveJobSettings(...levels: readonly JobOverrides[]): JobSettings {
  if (levels.every(isEmpty)) return defaultSettings
  return intern(Object.assign({}, defaultSettings, ...levels))
}

/**
 * Returns the default settings for a storage that keeps at most `mostQueued` queued occurrences of a job. If the scheduler sets
 * no `maxQueued`, and the library's default is higher than `mostQueued`, then `mostQueued` becomes the default.
 */
export function withMaxQueued(defaults: JobOverrides, mostQueued: number): JobOverrides {
  if (defaults.maxQueued !== undefined || defaultSettings.maxQueued <= mostQueued) return defaults
  return { ...defaults, maxQueued: mostQueued }
}

/** Merges the settings of a task with the effective settings of its job. The task's own settings take precedence. */
export function resolveTaskSettings(job: JobSettings, ...levels: readonly TaskOverrides[]): TaskSettings {
  const { failureStrategy, retryPolicy, taskTimeoutMs, keepLogs } = job
  return intern<TaskSettings>(Object.assign({ failureStrategy, retryPolicy, taskTimeoutMs, keepLogs }, ...levels))
}

function isEmpty(level: object): boolean {
  for (const _ in level) return false
  return true
}

// Shares equal settings as one object, because thousands of jobs have the same settings. The map is bounded, because settings
// that differ in every job would fill memory.
const interned = new Map<string, object>()

function intern<T extends object>(settings: T): T {
  const key = JSON.stringify(settings)
  const known = interned.get(key)
  if (known !== undefined) return known as T
  if (interned.size >= rememberedValues) interned.clear()
  interned.set(key, Object.freeze(settings))
  return settings
}

const plainRecoveryStrategies = ['execute_all', 'execute_last', 'mark_as_missed', 'compressed'] as const

/** The name, the default and the check of a setting. */
interface Setting {
  /** The member of `JobSettings` that contains the checked value: `taskTimeoutMs` for the setting `taskTimeout`. */
  readonly checked: keyof JobSettings
  /** The checked value that applies if nothing sets the setting. */
  readonly byDefault: unknown
  /** Checks a given value, and returns the checked value. */
  readonly read: (value: never, field: string) => unknown
}

/** Makes a setting. `checked`: the member of `JobSettings` for the checked value. The member of a duration ends with `Ms`. */
function setting<Name extends keyof JobSettings>(
  checked: Name,
  byDefault: JobSettings[Name],
  read: (value: never, field: string) => JobSettings[Name],
): Setting {
  return { checked, byDefault, read }
}

function duration(bounds: DurationBounds = {}) {
  return (value: DurationInput, field: string): number => toDurationMs(value, field, bounds)
}

function choice<const T extends string>(choices: readonly T[]) {
  return (value: T, field: string): T => readChoice(value, choices, field)
}

function integer(min: number, max: number) {
  return (value: number, field: string): number => readInteger(value, field, min, max)
}

/** Returns a function that checks a value with `read`, but returns `null` for the text `word`, which means "no value". */
function unless<T, Checked>(word: string, read: (value: T, field: string) => Checked) {
  return (value: T, field: string): Checked | null => (value === word ? null : read(value, field))
}

const taskSettings: Readonly<Record<keyof TaskSettingsInput, Setting>> = {
  failureStrategy: setting('failureStrategy', 'fail_fast', choice(['fail_fast', 'continue', 'retry_on_failure'])),
  retryPolicy: setting('retryPolicy', null, readRetryPolicy),
  taskTimeout: setting('taskTimeoutMs', null, duration({ min: 1 })),
  keepLogs: setting('keepLogs', null, readKeepLogs),
}

const jobSettings: Readonly<Record<keyof JobSettingsInput, Setting>> = {
  taskExecutionMode: setting('taskExecutionMode', 'sequential', choice(['sequential', 'parallel'])),
  failureStrategy: taskSettings.failureStrategy,
  retryPolicy: taskSettings.retryPolicy,
  executionTimeout: setting('executionTimeoutMs', 3_600_000, duration({ min: 1 })),
  taskTimeout: taskSettings.taskTimeout,
  keepLogs: taskSettings.keepLogs,
  overlapPolicy: setting('overlapPolicy', 'skip', choice(['skip', 'queue', 'queue_one', 'allow', 'cancel_running'])),
  maxQueued: setting('maxQueued', 100_000, integer(1, 1_000_000)),
  maxConcurrency: setting('maxConcurrency', 1, integer(1, 1000)),
  startRate: setting('startRate', null, unless('unlimited', readStartRate)),
  priority: setting('priority', 0, readPriority),
  recoveryStrategy: setting('recoveryStrategy', { type: 'execute_last' }, readRecoveryStrategy),
  misfireThreshold: setting('misfireThresholdMs', 60_000, duration()),
  onInterrupted: setting('onInterrupted', 'retry', choice(['fail', 'retry'])),
  maxRescues: setting('maxRescues', 3, integer(0, 1000)),
  whileIsolated: setting('whileIsolated', 'continue', choice(['continue', 'abort'])),
  retention: setting('retention', { olderThanMs: 30 * dayMs, keep: 10 }, unless('forever', readRetention)),
  alertAfter: setting('alertAfterMs', null, unless('never', duration({ min: 1000 }))),
  timezone: setting('timezone', 'UTC', readTimezone),
}

/** The settings of a job for which neither the scheduler nor the job sets anything. */
export const defaultSettings: JobSettings = Object.freeze(
  Object.fromEntries(Object.values(jobSettings).map(({ checked, byDefault }) => [checked, byDefault])),
) as unknown as JobSettings

export const taskSettingNames: readonly string[] = Object.keys(taskSettings)
export const jobSettingNames: readonly string[] = Object.keys(jobSettings)

/** Checks the settings of a task. `path` precedes the names of fields in messages, such as `tasks[0].`. */
export function readTaskSettings(input: TaskSettingsInput, path: string): TaskOverrides {
  return readEach(taskSettings, input, path)
}

/** Checks the settings of a job, or the defaults of a scheduler. */
export function readJobSettings(input: JobSettingsInput, path = ''): JobOverrides {
  return readEach(jobSettings, input, path)
}

function readEach(settings: Readonly<Record<string, Setting>>, input: object, path: string): JobOverrides {
  const overrides: Record<string, unknown> = {}
  for (const [name, { checked, read }] of Object.entries(settings)) {
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
  if (typeof input === 'object' && input !== null && 'retryIf' in input) throw retryIfNotStored(input.retryIf, field)
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

function retryIfNotStored(retryIf: unknown, field: string): JobistemerError {
  const remedy = 'Give it to defineJob beside run or module, or throw a NonRetryableError in the handler.'
  return invalidValue(`${field}.retryIf`, 'is a function, and cannot be stored here', retryIf, remedy)
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
    throw invalidValue(field, 'has no bound', input, 'Give maxOccurrences, maxAge or both.')
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
  const { lines } = input === true ? {} : readObject(input, field, ['lines'], ', or true or false')
  return { lines: readInteger(orDefault(lines, 100), `${field}.lines`, 1, 1000) }
}

function readRetention(input: Exclude<RetentionInput, 'forever'>, field: string): Retention {
  readObject(input, field, ['olderThan', 'keep'], ', or "forever"')
  const { olderThanMs, keep } = defaultSettings.retention as Retention
  return {
    olderThanMs: toDurationMs(orDefault(input.olderThan, olderThanMs), `${field}.olderThan`),
    keep: readInteger(orDefault(input.keep, keep), `${field}.keep`, 0, 1_000_000),
  }
}
