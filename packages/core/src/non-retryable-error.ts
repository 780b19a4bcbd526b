import { orElse } from './or-else.ts'

/**
 * An error that ends a task at once, without further retries. Any thrown error whose `retryable` is `false` has this effect.
 *
 * @example
 * if (response.status === 404) throw new NonRetryableError(`order ${id} does not exist`)
 */
export class NonRetryableError extends Error {
  override readonly name: string = 'NonRetryableError'
  /** The engine checks this property, not the class. So an error of another copy of this package has the same effect. */
  readonly retryable = false
}

/**
 * Returns whether a thrown error has `retryable: false`. The `retryable` of its causes and of its inner errors has no effect.
 */
export function isNonRetryable(thrown: unknown): boolean {
  return orElse(() => Object(thrown).retryable === false, false)
}
