/** PostgreSQL takes no longer one. */
const longestMs = 2 ** 31 - 1

/**
 * The server gives up waiting for a lock after nine tenths of the time of a call, so that the caller still receives its error.
 */
export function lockLimitOf(limitMs: number): number {
  return Math.min(Math.max(1, Math.floor(limitMs * 0.9)), longestMs)
}

/**
 * An expression that limits how long the transaction waits for each further lock. A shorter limit of the user stays. Not NULL.
 * Without it, a statement would keep waiting in the server after its caller has given up, on a connection beyond those of the
 * pool, and each further call would add one.
 */
export function limitLocks(limit: string): string {
  return `CASE WHEN current_setting('lock_timeout') = '0' OR current_setting('lock_timeout')::interval > ${limit}::interval
    THEN set_config('lock_timeout', ${limit}, true) ELSE '' END`
}

/** As {@link limitLocks}, as a condition of a statement: it is evaluated once, before any row is looked at. */
export function locksAreLimited(limit: string): string {
  return `(SELECT ${limitLocks(limit)}) IS NOT NULL`
}
