import {
  defaultSettings,
  type JobOverrides,
  type JobSettings,
  type TaskOverrides,
  type TaskSettings,
} from './settings.ts'

/** Effective settings of a job: defaults → scheduler → job → trigger, the later level over the earlier. */
export function resolveJobSettings(...levels: readonly JobOverrides[]): JobSettings {
  return intern(Object.assign({}, defaultSettings, ...levels))
}

/** Effective settings of a task: its own overrides over its job's effective settings. */
export function resolveTaskSettings(job: JobSettings, ...levels: readonly TaskOverrides[]): TaskSettings {
  const { failureStrategy, retryPolicy, taskTimeoutMs, keepLogs } = job
  return intern(Object.assign({ failureStrategy, retryPolicy, taskTimeoutMs, keepLogs }, ...levels))
}

// Thousands of jobs have the same settings: equal ones are one object. Bounded, so that settings which differ in every
// job cost no memory of their own.
const interned = new Map<string, object>()
const internLimit = 1000

function intern<T extends object>(settings: T): T {
  const key = JSON.stringify(settings)
  const known = interned.get(key)
  if (known !== undefined) return known as T
  if (interned.size >= internLimit) interned.clear()
  interned.set(key, Object.freeze(settings))
  return settings
}
