import type { RetryPolicy, TaskSettings } from '../../configuration/settings.ts'
import { failuresOf, isFailure, type KeptAttempts } from './kept-attempts.ts'

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

/**
 * From when on the next owner of a task may try it again, in epoch milliseconds; `null`: at once. `kept` are the attempts of
 * earlier owners, all of them ended. Their clocks may be wrong, so it is never later than a whole interval from now.
 */
export function resumesAt(settings: TaskSettings, kept: KeptAttempts, now: number): number | null {
  const last = kept.attempts.at(-1)
  const failures = failuresOf(kept)
  if (last === undefined || last.endedAt === null || failures === 0) return null
  const longest = retryDelay(settings, failures, () => 0)
  // One that was stopped while it waited for its interval says when that was over. One that had begun waits for nothing.
  let dueAt = last.startedAt > last.endedAt ? last.startedAt : null
  // By the shortest interval: how long this one was, only its owner knew.
  if (isFailure(last)) dueAt = last.endedAt + (retryDelay(settings, failures, () => 1) ?? 0)
  if (dueAt === null || longest === null || dueAt <= now) return null
  return Math.min(dueAt, now + longest)
}
