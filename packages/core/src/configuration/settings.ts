import { type DurationInput, type DurationBounds, toDurationMs } from '../duration.ts'
import type { OverlapPolicy, StartRate } from '../storage/job-record.ts'
import { rememberedValues, dayMs } from '../tuning.ts'
import { invalidValue, JobistemerError, printValue } from '../errors.ts'
import { orDefault, readChoice, readInteger, readNumber, readObject } from './read-value.ts'
import { readTimezone } from './read-timezone.ts'

/** Whether the tasks of a job run one after another, in their order, or all at once. */
export type TaskExecutionMode = 'sequential' | 'parallel'

/**
 * What happens to the other tasks of an occurrence when a task has failed and its retries are exhausted.
 *
 * - `fail_fast`: the node aborts the running tasks and starts no further tasks; the occurrence is `failed`. Tasks whose own
 *   `failureStrategy` is `continue`, such as clean-up tasks, still run to their end.
 * - `continue`: all tasks run; the outcome is `completed_with_errors`.
 * - `retry_on_failure`: as `fail_fast`, but a task without its own retry policy is first retried 3 times: 1 s, 2 s and 4 s
 *   after its failures.
 */
export type FailureStrategy = 'fail_fast' | 'continue' | 'retry_on_failure'

/** What happens to an occurrence that was interrupted, because its node crashed, shut down or missed the deadline. */
export type InterruptionStrategy =
  /** Another node, or the same node after its restart, runs the next attempt, at most `maxRescues` times. */
  | 'retry'
  /** The occurrence fails. No node calls an interrupted handler again for that occurrence. */
  | 'fail'

/**
 * What a node does with its runs while the storage accepts none of the node's heartbeats, so that peers may declare the node
 * dead.
 */
export type IsolationStrategy =
  /**
   * The run continues. If a peer takes the run over meanwhile, the run is active on two nodes, and the storage rejects the
   * results of this node.
   */
  | 'continue'
  /** The node aborts the run, so that the run is never active on two nodes at once. `onInterrupted` decides what follows. */
  | 'abort'

/** How the node retries a failed task. The n-th retry, counted from 0, follows after `retryInterval × backoffFactor^n`. */
export interface RetryPolicyInput {
  /** Maximum number of retries after the first failure; 0 to 1,000. */
  readonly maxRetries: number
  /** Time before the first retry. Default 1 s. */
  readonly retryInterval?: DurationInput
  /** Factor by which each further interval grows; 1 to 100. Default 1: all intervals are equal. */
  readonly backoffFactor?: number
  /** Maximum time between two attempts. Default 1 h. */
  readonly maxInterval?: DurationInput
  /** Random share of each interval, 0 to 1. With 0.2, an interval of 10 s lasts 8 to 10 s. Default 0. */
  readonly jitter?: number
}

/** A retry policy that is defined in code, so that it can hold a function. */
export interface RetryPolicyInCode extends RetryPolicyInput {
  /**
   * The node calls this function after an attempt that failed or timed out, if a retry would follow. `false` ends the task at
   * once. The function is synchronous. If `retryIf` throws or returns a promise, the node logs an error, emits `hook.failed`,
   * and retries the task.
   *
   * The function is code, as `run` is: the storage does not keep the function, and an `update` of the policy leaves the
   * function in force. `retryIf` is not accepted in `defaults`, `update` and `overrides`, and not in tasks that name a
   * `handler`. `retryIf` gets the errors of isolated tasks with `name`, `message`, `code`, `stack` and `cause`, but without
   * their class.
   */
  retryIf?(error: unknown): boolean
}

/** Decides which missed slots still run. A slot is missed if no node created it within the misfire threshold. */
export type RecoveryStrategyInput =
  /** Each missed slot runs, in order. */
  | 'execute_all'
  /** The last missed slot runs; the node records the earlier slots as missed. */
  | 'execute_last'
  /** No missed slot runs; the node records all of them as missed. */
  | 'mark_as_missed'
  /**
   * One run, at the last missed slot, covers all missed slots; `context.span` holds them. Slots that were canceled
   * ahead do not count.
   */
  | 'compressed'
  /** The last `maxOccurrences` slots that are not older than `maxAge` run. At least one bound is required. */
  | { readonly type: 'bounded_window'; readonly maxOccurrences?: number; readonly maxAge?: DurationInput }

/** How long the storage keeps the history of a job. */
export type RetentionInput =
  /** Only `prune` removes history. */
  | 'forever'
  | {
      /** The nodes remove final occurrences whose `scheduledAt` is older than this. Default 30 d. */
      readonly olderThan?: DurationInput
      /** Number of latest occurrences to keep, whatever their age, while the job has slots to come. Default 10. */
      readonly keep?: number
    }

/** Whether the storage keeps, with each attempt, the lines that its handler logs through `context.logger`. */
export type KeepLogsInput =
  /** `true` keeps the last 100 lines, `false` none. */
  | boolean
  | {
      /** Number of last lines to keep, 1 to 1,000. Default 100. */
      readonly lines?: number
    }

/** Settings that both a job and a task can have. */
export interface TaskSettingsInput {
  /** What a failure of the task means for the other tasks of the occurrence. Default `fail_fast`. */
  readonly failureStrategy?: FailureStrategy
  /** How the node retries a failed task. Default: no retry. */
  readonly retryPolicy?: RetryPolicyInput
  /** Maximum duration of one attempt. Default: the job's `executionTimeout`. */
  readonly taskTimeout?: DurationInput
  /**
   * Whether the storage keeps, with each attempt, the last lines that the handler logs through `context.logger`, on all
   * levels. Each line is cut after 1,000 characters; the lines of an occurrence take at most 65,536 bytes. The storage then
   * also holds the secrets that handlers log. Default false.
   */
  readonly keepLogs?: KeepLogsInput
}

/** Settings of a job. A scheduler takes the same settings as defaults for its jobs. */
export interface JobSettingsInput extends TaskSettingsInput {
  /** Whether the tasks of the job run one after another or all at once. Default `sequential`. */
  readonly taskExecutionMode?: TaskExecutionMode
  /** Maximum duration of an occurrence, from its claim. Default 1 h. */
  readonly executionTimeout?: DurationInput
  /**
   * What happens to a run that is due while another run of the job is active. Default `skip` for a job with a schedule. A job
   * without a schedule runs every request: default `allow`, or `queue` if `maxConcurrency` or `startRate` is set.
   */
  readonly overlapPolicy?: OverlapPolicy
  /**
   * Maximum number of queued occurrences of the job under the overlap policy `queue`. If the queue is full, a request is
   * rejected with `QUEUE_FULL` and a slot is skipped. Default 100,000, or the storage's limit if that is lower.
   */
  readonly maxQueued?: number
  /**
   * How many runs of the job may be active at once, on all nodes together; 1 to 1,000. The overlap policy `skip`, `queue` or
   * `queue_one` decides what happens to further due runs. Default 1; under `allow` the number is unlimited. A run that waits
   * for a retry is active: with `maxConcurrency` 1, queued runs wait until the retried run ends.
   */
  readonly maxConcurrency?: number
  /**
   * How often runs of the job may start, on all nodes together. Further due runs wait, in their order; no run is dropped.
   * Applies under `skip`, `queue` and `queue_one`. Default `unlimited`.
   */
  readonly startRate?: StartRateInput | 'unlimited'
  /**
   * Priority of the job's runs among the waiting runs of all jobs: an integer from -10 to 10. **A higher number runs earlier.**
   * Each level counts as one hour of waiting, so a run of low priority does not starve. A run keeps the priority that it had at
   * its creation. Default 0.
   */
  readonly priority?: number
  /** Which missed slots of the job still run. Default `execute_last`. */
  readonly recoveryStrategy?: RecoveryStrategyInput
  /**
   * Time after which a slot that no node has created is missed: the recovery strategy then decides about the slot. If several
   * slots of the job came due while the storage failed, these slots are missed too. Default 1 min.
   */
  readonly misfireThreshold?: DurationInput
  /** What happens to an interrupted occurrence of the job. Default `retry`. */
  readonly onInterrupted?: InterruptionStrategy
  /**
   * How many times nodes rescue an occurrence under `onInterrupted: 'retry'`. After that the occurrence fails. A hand-back by a
   * shutdown does not count as a rescue. Default 3.
   */
  readonly maxRescues?: number
  /**
   * What happens to the runs of a node if the storage has accepted none of its heartbeats for 80 % of `deadAfter`.
   * `abort` fires their signals, with `isolated` as the reason. Default `continue`.
   */
  readonly whileIsolated?: IsolationStrategy
  /**
   * How long the storage keeps the history of the job. The living nodes remove older occurrences in small steps: within a
   * day, or within hours if `olderThan` is short. After the schedule of a job that is data alone is over and its history is
   * removed, the nodes also remove the job. Default 30 d and the latest 10.
   */
  readonly retention?: RetentionInput
  /**
   * Time without a `completed` run after which the job is silent, whatever the reason. A living node then emits `job.silent`,
   * logs an error, and raises the gauge `scheduler_jobs_silent`. The time counts from the last success, or from when the job
   * was stored, changed or resumed, if that was later. Time during a pause does not count. At least 1 s. Default `never`.
   */
  readonly alertAfter?: DurationInput | 'never'
  /** IANA time zone of schedules that name no time zone. Default `UTC`. */
  readonly timezone?: string
}

/** A checked retry policy in milliseconds, with defaults for omitted members. */
export interface RetryPolicy {
  /** Maximum number of attempts after the first. */
  readonly maxRetries: number
  /** Milliseconds before the first retry. */
  readonly retryIntervalMs: number
  /** Factor by which each further interval grows. */
  readonly backoffFactor: number
  /** Maximum milliseconds between two attempts. */
  readonly maxIntervalMs: number
  /** Maximum share of each interval that the jitter cuts off at random, 0 to 1. */
  readonly jitter: number
}

/** A recovery strategy in its stored form: `null` stands for an omitted bound. */
export type RecoveryStrategy =
  | { readonly type: 'execute_all' | 'execute_last' | 'mark_as_missed' | 'compressed' }
  | { readonly type: 'bounded_window'; readonly maxOccurrences: number | null; readonly maxAgeMs: number | null }

/** How long the storage keeps history. */
export interface Retention {
  /** The nodes remove final occurrences whose `scheduledAt` is older than this, in ms. */
  readonly olderThanMs: number
  /** Number of latest occurrences to keep, whatever their age. */
  readonly keep: number
}

/** How much of a handler's log the storage keeps. */
export interface KeepLogs {
  /** Number of last lines of an attempt to keep. */
  readonly lines: number
}

/** The effective settings of a task. */
export interface TaskSettings {
  /** What the failure of the task means for the other tasks of the occurrence. */
  readonly failureStrategy: FailureStrategy
  /** The retry policy; `null` if neither the task nor its job, scheduler or trigger has set one. */
  readonly retryPolicy: RetryPolicy | null
  /** Maximum duration of one attempt, in ms; `null` if only `executionTimeoutMs` limits it. */
  readonly taskTimeoutMs: number | null
  /** How much of the handler's log the storage keeps; `null` for nothing. */
  readonly keepLogs: KeepLogs | null
}

/** Maximum number of starts in any interval of a given length: `{ limit: 10, interval: { minutes: 1 } }`. */
export interface StartRateInput {
  /**
   * Maximum number of starts in an interval; 1 to 100. For a higher rate, divide both members: 100 in 6 seconds instead of
   * 1,000 in a minute.
   */
  readonly limit: number
  /** Length of the interval; 1 ms to 366 days. */
  readonly interval: DurationInput
}

/** The effective settings of a job. */
export interface JobSettings extends TaskSettings {
  /** Whether the tasks of the job run one after another or all at once. */
  readonly taskExecutionMode: TaskExecutionMode
  /** Maximum duration of an occurrence from its claim, in ms. */
  readonly executionTimeoutMs: number
  /** What happens to an occurrence that is due while an earlier one is active. */
  readonly overlapPolicy: OverlapPolicy
  /** Maximum number of queued occurrences of the job under `queue`. */
  readonly maxQueued: number
  /** Maximum number of active runs of the job, on all nodes together. */
  readonly maxConcurrency: number
  /** How often runs of the job may start, on all nodes together; `null` for no limit. */
  readonly startRate: StartRate | null
  /** Priority of the job's runs, -10 to 10: a higher number runs earlier. */
  readonly priority: number
  /** Decides which missed slots of the job still run. */
  readonly recoveryStrategy: RecoveryStrategy
  /** Milliseconds after which a slot that no node has created is missed. */
  readonly misfireThresholdMs: number
  /** What happens to an interrupted occurrence. */
  readonly onInterrupted: InterruptionStrategy
  /** How many times nodes rescue an occurrence under `onInterrupted: 'retry'`. */
  readonly maxRescues: number
  /** What happens to the runs of a node while the storage accepts none of its heartbeats. */
  readonly whileIsolated: IsolationStrategy
  /** How long the storage keeps the job's history; `null` for ever. */
  readonly retention: Retention | null
  /** Milliseconds without a success after which the job is silent; `null` for never. */
  readonly alertAfterMs: number | null
  /** IANA name of the time zone of schedules that name no zone. */
  readonly timezone: string
}

/**
 * The task settings that a scheduler, a job, a task or a trigger overrides, checked and in milliseconds. The storage keeps
 * settings in this form.
 */
export type TaskOverrides = Partial<TaskSettings>

/** The job settings that a scheduler, a job or a trigger overrides, in the same form as {@link TaskOverrides}. */
export type JobOverrides = Partial<JobSettings>

/**
 * Merges levels of settings into the effective settings of a job: defaults → scheduler → job → trigger. A later level overrides
 * earlier levels.
 */
export function resolveJobSettings(...levels: readonly JobOverrides[]): JobSettings {
  if (levels.every(isEmpty)) return defaultSettings
  return intern(Object.assign({}, defaultSettings, ...levels))
}

/**
 * Merges levels of settings for a job, whose default overlap policy depends on its schedule. A job without a schedule runs
 * every request: its default is `queue` if `maxConcurrency` or `startRate` is set, because `allow` does not support these
 * limits, and `allow` otherwise.
 */
export function resolveScheduledSettings(
  { isOnRequest }: { readonly isOnRequest: boolean },
  ...levels: readonly JobOverrides[]
): JobSettings {
  if (!isOnRequest || levels.some(({ overlapPolicy }) => overlapPolicy !== undefined)) {
    return resolveJobSettings(...levels)
  }
  const { maxConcurrency, startRate = null }: JobOverrides = Object.assign({}, ...levels)
  const isBounded = maxConcurrency !== undefined || startRate !== null
  return resolveJobSettings({ overlapPolicy: isBounded ? 'queue' : 'allow' }, ...levels)
}

/** Returns the defaults of a scheduler for a storage that keeps at most `mostQueued` queued occurrences of a job. */
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

/** A setting: its name after the check, its default, and the function that checks the setting. */
interface Setting {
  readonly checked: keyof JobSettings
  readonly byDefault: unknown
  readonly read: (value: never, field: string) => unknown
}

/** Makes a setting. `checked`: the name after the check, which ends with `Ms` for a duration. */
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

/**
 * Returns a function that checks a value. For the text `word`, which means "no value", that function returns `null`; for any
 * other value, it returns the result of `read`.
 */
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
  ...taskSettings,
  taskExecutionMode: setting('taskExecutionMode', 'sequential', choice(['sequential', 'parallel'])),
  executionTimeout: setting('executionTimeoutMs', 3_600_000, duration({ min: 1 })),
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
  retention: setting('retention', { olderThanMs: 30 * dayMs, keep: 10 }, readRetention),
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
