import type { RetryPolicy, TaskSettings } from '../../configuration/settings.ts'
import type { AttemptRecord } from '../../storage/occurrence-record.ts'

// What `retry_on_failure` means for a task that has no retry policy of its own.
const retryOnFailurePolicy: RetryPolicy = {
  maxRetries: 3,
  retryIntervalMs: 1000,
  backoffFactor: 2,
  maxIntervalMs: 3_600_000,
  jitter: 0,
}

/**
 * Milliseconds until the next attempt, or `null` when the retries are exhausted.
 *
 * Only attempts that failed or timed out count: one that was lost with its node or handed back says nothing about the
 * task.
 */
export function retryDelay(
  settings: TaskSettings,
  attempts: readonly AttemptRecord[],
  random: () => number,
): number | null {
  const policy = settings.retryPolicy ?? (settings.failureStrategy === 'retry_on_failure' ? retryOnFailurePolicy : null)
  if (policy === null) return null
  let failures = 0
  for (const attempt of attempts) if (attempt.state === 'failed' || attempt.state === 'timed_out') failures++
  if (failures > policy.maxRetries) return null
  const interval = Math.min(policy.maxIntervalMs, policy.retryIntervalMs * policy.backoffFactor ** (failures - 1))
  return interval * (1 - policy.jitter * random())
}
