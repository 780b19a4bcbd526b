import type { AttemptRecord, OmittedAttempts } from '../../storage/occurrence-record.ts'

// Attempts are written whole with everything that is said of their occurrence. A task that is tried for ever would
// otherwise write more with each try: a thousand tries wrote three gigabytes.
const firstKept = 5
const lastKept = 15
/** So many of the last attempts keep the stack of their error and what caused it; the first one keeps it too. */
const lastWithStack = 3

/** The attempts of a task as they are kept: the first ones, the last ones, and a count of those between. */
export interface KeptAttempts {
  readonly attempts: readonly AttemptRecord[]
  readonly omitted: OmittedAttempts | undefined
}

/** With a further attempt at the end. */
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

/** How many attempts count against the retries: one that was lost with its node or handed back says nothing. */
export function failuresOf({ attempts, omitted }: KeptAttempts): number {
  let failures = omitted?.failures ?? 0
  for (const attempt of attempts) if (isFailure(attempt)) failures++
  return failures
}

/** Whether it counts against the retries. */
export function isFailure({ state }: AttemptRecord): boolean {
  return state === 'failed' || state === 'timed_out'
}

function withoutStack(attempt: AttemptRecord): AttemptRecord {
  if (attempt.error === undefined) return attempt
  const { name, message, code } = attempt.error
  return { ...attempt, error: { name, message, ...(code !== undefined && { code }) } }
}
