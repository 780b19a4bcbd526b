import { firstKept } from './tuning.ts'
import type { RetryPolicy, TaskSettings } from '../../configuration/settings.ts'
import type { AttemptRecord, OmittedAttempts } from '../../storage/occurrence-record.ts'

// The retry policy of `retry_on_failure` for a task that has no `retryPolicy`.
const retryOnFailurePolicy: RetryPolicy = {
  maxRetries: 3,
  retryIntervalMs: 1000,
  backoffFactor: 2,
  maxIntervalMs: 3_600_000,
  jitter: 0,
}

/** Returns the ms until the next attempt after `failures` failed attempts; `null`: the retries are exhausted. */
export function retryDelay(settings: TaskSettings, failures: number, random: () => number): number | null {
  const policy = settings.retryPolicy ?? (settings.failureStrategy === 'retry_on_failure' ? retryOnFailurePolicy : null)
  if (policy === null) return null
  if (failures > policy.maxRetries) return null
  // Without this return, an interval of 0 times an infinite factor would be NaN.
  if (policy.retryIntervalMs === 0) return 0
  const interval = Math.min(policy.maxIntervalMs, policy.retryIntervalMs * policy.backoffFactor ** (failures - 1))
  return interval * (1 - policy.jitter * random())
}

/**
 * Returns the instant from which the next owner of a task may retry it, in epoch ms; `null`: at once. `kept`: the attempts of
 * earlier owners, all ended. The result is at most one retry interval after `now`, because earlier owners' clocks may be wrong.
 */
export function resumesAt(settings: TaskSettings, kept: KeptAttempts, now: number): number | null {
  const last = kept.attempts.at(-1)
  const failures = failuresOf(kept)
  if (last === undefined || last.endedAt === null || failures === 0) return null
  const longest = retryDelay(settings, failures, () => 0)
  // If the last attempt was stopped during its retry interval, its handler was never called. Its `startedAt` is then the
  // planned start: the end of the interval.
  let dueAt = last.startedAt > last.endedAt ? last.startedAt : null
  // With jitter, only the earlier owner knew the random number. So this owner assumes the random number 1, which gives the
  // shortest interval.
  if (isFailure(last)) dueAt = last.endedAt + (retryDelay(settings, failures, () => 1) ?? 0)
  if (dueAt === null || longest === null || dueAt <= now) return null
  return Math.min(dueAt, now + longest)
}

/** The attempts of a task as the storage keeps them: the first 5, the last 15, and a count of the attempts between. */
export interface KeptAttempts {
  readonly attempts: readonly AttemptRecord[]
  readonly omitted: OmittedAttempts | undefined
}

/** Returns the kept attempts after the addition of one attempt. */
export function withAttempt({ attempts, omitted }: KeptAttempts, attempt: AttemptRecord): KeptAttempts {
  const next = attempts.slice()
  // Only the last three attempts keep the stack and cause of their error, because each settle writes all kept attempts.
  const older = next.length - 3
  if (older > 0) next[older] = withoutStack(next[older] as AttemptRecord)
  next.push(attempt)
  if (next.length <= 4 * firstKept) return { attempts: next, omitted }
  const [gone] = next.splice(firstKept, 1) as [AttemptRecord]
  return {
    attempts: next,
    omitted: { attempts: (omitted?.attempts ?? 0) + 1, failures: (omitted?.failures ?? 0) + (isFailure(gone) ? 1 : 0) },
  }
}

/**
 * Returns the number of attempts that failed or timed out, which `maxRetries` limits. Does not count attempts that were
 * lost or released.
 */
export function failuresOf({ attempts, omitted }: KeptAttempts): number {
  let failures = omitted?.failures ?? 0
  for (const attempt of attempts) if (isFailure(attempt)) failures++
  return failures
}

/** Returns whether the attempt is a failure that `maxRetries` limits. */
function isFailure({ state }: AttemptRecord): boolean {
  return state === 'failed' || state === 'timed_out'
}

function withoutStack(attempt: AttemptRecord): AttemptRecord {
  if (attempt.error === undefined) return attempt
  const { name, message, code } = attempt.error
  return { ...attempt, error: { name, message, ...(code !== undefined && { code }) } }
}
