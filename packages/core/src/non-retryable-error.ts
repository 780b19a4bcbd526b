import { orElse } from './or-else.ts'

/**
 * Ends a task at once, without further retries. Any error whose `retryable` is `false` does the same.
 *
 * @example
 * if (response.status === 404) throw new NonRetryableError(`order ${id} does not exist`)
 */
export class NonRetryableError extends Error {
  override readonly name: string = 'NonRetryableError'
  /** The engine checks this property and not the class, so that several copies of this package work together. */
  readonly retryable = false
}

/** Whether an error of a handler is not retryable. Causes and inner errors do not count. */
export function isNonRetryable(thrown: unknown): boolean {
  return orElse(() => Object(thrown).retryable === false, false)
}
