import { types } from 'node:util'

/**
 * Passes on the rejection of a promise that a user's function has returned. A type that returns `void` accepts
 * asynchronous functions, and an unhandled rejection would end the process.
 */
export function catchRejection(returned: unknown, failed: (error: unknown) => void): void {
  // Also handles promises of another realm. Does not call the promise's own `then` or `catch`, which may be overridden.
  if (types.isPromise(returned)) Promise.prototype.then.call(returned, undefined, failed)
}

/** Whether a value has a `then` that can be called, as a promise of any library. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
