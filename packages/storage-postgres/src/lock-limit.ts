/** The longest lock timeout that PostgreSQL accepts, in ms. */
const longestMs = 2 ** 31 - 1

/**
 * Returns the lock limit for a call limit, in ms. The server stops waiting for a lock after nine tenths of the call limit,
 * so that the caller still receives its error.
 */
export function lockLimitOf(limitMs: number): number {
  return Math.min(Math.max(1, Math.floor(limitMs * 0.9)), longestMs)
}

/**
 * Returns an SQL expression that limits how long the transaction waits for each further lock. The expression keeps a
 * shorter limit of the user, and is never NULL. Without the limit, a statement would keep waiting in the server after
 * its caller has given up. The pool replaces such a connection, so each further call would add another waiting
 * connection.
 */
export function limitLocks(limit: string): string {
  return `CASE WHEN current_setting('lock_timeout') = '0' OR current_setting('lock_timeout')::interval > ${limit}::interval
    THEN set_config('lock_timeout', ${limit}, true) ELSE '' END`
}

/** Like {@link limitLocks}, as a condition of a statement. PostgreSQL evaluates the condition once, before it reads any row. */
export function locksAreLimited(limit: string): string {
  return `(SELECT ${limitLocks(limit)}) IS NOT NULL`
}
