/**
 * Ends a task at once: its retries are left out, whatever its retry policy says. Any error whose `retryable` is `false`
 * does the same.
 *
 * @example
 * if (response.status === 404) throw new NonRetryableError(`order ${id} does not exist`)
 */
export class NonRetryableError extends Error {
  override readonly name: string = 'NonRetryableError'
  /** The engine looks at this property and not at the class, so that a further copy of this package does no harm. */
  readonly retryable = false
}

/** Whether what a handler threw says that a further attempt is useless. Causes and inner errors do not count. */
export function isNonRetryable(thrown: unknown): boolean {
  try {
    return typeof thrown === 'object' && thrown !== null && 'retryable' in thrown && thrown.retryable === false
  } catch {
    // A getter can throw, and a proxy can refuse everything.
    return false
  }
}
