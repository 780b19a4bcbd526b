import type { AttemptRecord, OmittedAttempts } from '../../storage/occurrence-record.ts'

// Each settle writes all kept attempts of its occurrence. Without a limit, a task with endless retries writes more with
// each attempt: 1,000 attempts wrote 3 GB.
const firstKept = 5
const lastKept = 15
/** Number of the last attempts that keep the stack and cause of their error. */
const lastWithStack = 3

/** The attempts of a task as the storage keeps them: the first 5, the last 15, and a count of the attempts between. */
export interface KeptAttempts {
  readonly attempts: readonly AttemptRecord[]
  readonly omitted: OmittedAttempts | undefined
}

/** Returns the kept attempts after a further attempt. */
export function withAttempt({ attempts, omitted }: KeptAttempts, attempt: AttemptRecord): KeptAttempts {
  const next = attempts.slice()
  const older = next.length - lastWithStack
  if (older > 0) next[older] = withoutStack(next[older] as AttemptRecord)
  next.push(attempt)
  if (next.length <= firstKept + lastKept) return { attempts: next, omitted }
  const [gone] = next.splice(firstKept, 1) as [AttemptRecord]
  return {
    attempts: next,
    omitted: {
      attempts: (omitted?.attempts ?? 0) + 1,
      failures: (omitted?.failures ?? 0) + (isFailure(gone) ? 1 : 0),
    },
  }
}

/** Returns how many attempts count against `maxRetries`. Attempts that were lost or handed back do not count. */
export function failuresOf({ attempts, omitted }: KeptAttempts): number {
  let failures = omitted?.failures ?? 0
  for (const attempt of attempts) if (isFailure(attempt)) failures++
  return failures
}

/** Returns whether the attempt counts against `maxRetries`. */
export function isFailure({ state }: AttemptRecord): boolean {
  return state === 'failed' || state === 'timed_out'
}

function withoutStack(attempt: AttemptRecord): AttemptRecord {
  if (attempt.error === undefined) return attempt
  const { name, message, code } = attempt.error
  return { ...attempt, error: { name, message, ...(code !== undefined && { code }) } }
}
