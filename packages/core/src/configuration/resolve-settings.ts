import type { JobOverrides, JobSettings, TaskOverrides, TaskSettings } from './settings.ts'
import { rememberedValues } from '../tuning.ts'

export const defaultSettings: JobSettings = Object.freeze<JobSettings>({
  taskExecutionMode: 'sequential',
  failureStrategy: 'fail_fast',
  retryPolicy: null,
  executionTimeoutMs: 3_600_000,
  taskTimeoutMs: null,
  keepLogs: null,
  overlapPolicy: 'skip',
  maxQueued: 100_000,
  maxConcurrency: 1,
  startRate: null,
  priority: 0,
  recoveryStrategy: { type: 'execute_last' },
  misfireThresholdMs: 60_000,
  onInterrupted: 'retry',
  maxRescues: 3,
  whileIsolated: 'continue',
  retention: { olderThanMs: 30 * 86_400_000, keep: 10 },
  alertAfterMs: null,
  timezone: 'UTC',
})

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
