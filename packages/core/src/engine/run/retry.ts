import type { RetryPolicy, TaskSettings } from '../../configuration/settings.ts'

// What `retry_on_failure` means for a task that has no retry policy of its own.
const retryOnFailurePolicy: RetryPolicy = {
  maxRetries: 3,
  retryIntervalMs: 1000,
  backoffFactor: 2,
  maxIntervalMs: 3_600_000,
  jitter: 0,
}

/** Milliseconds until the next attempt after so many that failed, or `null` when the retries are exhausted. */
export function retryDelay(settings: TaskSettings, failures: number, random: () => number): number | null {
  const policy = settings.retryPolicy ?? (settings.failureStrategy === 'retry_on_failure' ? retryOnFailurePolicy : null)
  if (policy === null) return null
  if (failures > policy.maxRetries) return null
  // No interval stays none, also times a factor that has grown beyond all numbers.
  if (policy.retryIntervalMs === 0) return 0
  const interval = Math.min(policy.maxIntervalMs, policy.retryIntervalMs * policy.backoffFactor ** (failures - 1))
  return interval * (1 - policy.jitter * random())
}
