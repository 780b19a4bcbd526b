import type { RetryPolicy, TaskSettings } from '../../configuration/settings.ts'
import { failuresOf, isFailure, type KeptAttempts } from './kept-attempts.ts'

// The policy of `retry_on_failure` for a task without a `retryPolicy`.
const retryOnFailurePolicy: RetryPolicy = {
  maxRetries: 3,
  retryIntervalMs: 1000,
  backoffFactor: 2,
  maxIntervalMs: 3_600_000,
  jitter: 0,
}

/** Returns the ms until the next attempt after `failures` failed ones; `null`: the retries are exhausted. */
export function retryDelay(settings: TaskSettings, failures: number, random: () => number): number | null {
  const policy = settings.retryPolicy ?? (settings.failureStrategy === 'retry_on_failure' ? retryOnFailurePolicy : null)
  if (policy === null) return null
  if (failures > policy.maxRetries) return null
  // 0 times an infinite factor would be NaN.
  if (policy.retryIntervalMs === 0) return 0
  const interval = Math.min(policy.maxIntervalMs, policy.retryIntervalMs * policy.backoffFactor ** (failures - 1))
  return interval * (1 - policy.jitter * random())
}

/**
 * Returns the instant from which the next owner of a task may retry it, in epoch ms; `null`: at once. `kept`: the attempts
 * of earlier owners, all ended. The result is at most one retry interval from now, because earlier owners' clocks may be wrong.
 */
export function resumesAt(settings: TaskSettings, kept: KeptAttempts, now: number): number | null {
  const last = kept.attempts.at(-1)
  const failures = failuresOf(kept)
  if (last === undefined || last.endedAt === null || failures === 0) return null
  const longest = retryDelay(settings, failures, () => 0)
  // If the last attempt was stopped during its retry interval, its `startedAt` is the end of that interval.
  let dueAt = last.startedAt > last.endedAt ? last.startedAt : null
  // With jitter, only the earlier owner knew the interval. This is the shortest possible one.
  if (isFailure(last)) dueAt = last.endedAt + (retryDelay(settings, failures, () => 1) ?? 0)
  if (dueAt === null || longest === null || dueAt <= now) return null
  return Math.min(dueAt, now + longest)
}
