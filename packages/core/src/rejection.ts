import { types } from 'node:util'

/**
 * Hands on what a promise rejects with that a user's function has returned. Types that promise nothing let asynchronous
 * functions pass, and what nobody catches of them would end the process.
 */
export function catchRejection(returned: unknown, failed: (error: unknown) => void): void {
  // Also a promise of another realm; and not its own `then` or `catch`, which may be anything.
  if (types.isPromise(returned)) Promise.prototype.then.call(returned, undefined, failed)
}

/** Whether a value has a `then` that can be called, as a promise of any library. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
