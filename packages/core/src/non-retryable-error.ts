import { type ErrorCode, JobistemerError } from './errors.ts'
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

const resultErrors: readonly ErrorCode[] = ['RESULT_NOT_SERIALISABLE', 'RESULT_TOO_LARGE']

/**
 * Returns whether a thrown error has `retryable: false`, or is an error of the engine about a result that cannot be stored: a
 * retry would repeat the work of the handler. The causes and inner errors of the error have no effect.
 */
export function isNonRetryable(thrown: unknown): boolean {
  if (JobistemerError.isInstance(thrown) && resultErrors.includes(thrown.code)) return true
  return orElse(() => Object(thrown).retryable === false, false)
}
