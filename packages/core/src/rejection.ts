import { types } from 'node:util'

/**
 * If a user's function has returned a promise, passes the promise's rejection to `failed`. A function type that returns `void`
 * also accepts asynchronous functions, and an unhandled rejection would end the process.
 */
export function catchRejection(returned: unknown, failed: (error: unknown) => void): void {
  // `types.isPromise` also finds promises of another realm. Do not call the promise's own `then` or `catch`, which may be
  // overridden.
  if (types.isPromise(returned)) Promise.prototype.then.call(returned, undefined, failed)
}

/** Returns whether a value has a callable `then`, as the promises of any library have. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
