/** PostgreSQL takes no longer one. */
const longestMs = 2 ** 31 - 1

/** In nine tenths of the time that a call may take the server gives up to wait for a lock, and says so before nobody waits any more. */
export function lockLimitOf(limitMs: number): number {
  return Math.min(Math.max(1, Math.floor(limitMs * 0.9)), longestMs)
}

/** As a value for {@link limitLocks}. */
export function printLockLimit(lockLimitMs: number): string {
  return `${lockLimitMs}ms`
}

/**
 * An expression that lets the transaction wait for so long for each further lock; a shorter limit that the user has set stays. Not
 * NULL. Without it a statement would wait on in the server when its caller has given up, on a connection beyond those of the pool,
 * and each further call would add one.
 */
export function limitLocks(limit: string): string {
  return `CASE WHEN current_setting('lock_timeout') = '0' OR current_setting('lock_timeout')::interval > ${limit}::interval
    THEN set_config('lock_timeout', ${limit}, true) ELSE '' END`
}

/** As {@link limitLocks}, as a condition of a statement: it is evaluated once, before any row is looked at. */
export function locksAreLimited(limit: string): string {
  return `(SELECT ${limitLocks(limit)}) IS NOT NULL`
}
