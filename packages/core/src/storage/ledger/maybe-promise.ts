// A synchronous ledger must return values, not promises. The code after a call then runs in the same turn of the event loop as
// the call. If the ledger returned a promise, another call could run before that code.

/** A value from a synchronous ledger, or a promise of a value from an asynchronous one. */
export type MaybePromise<T> = T | Promise<T>

/** Calls `next` with a value at once, or with the value of a promise once it resolves. */
export function whenDone<T, Result>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<Result>,
): MaybePromise<Result> {
  return value instanceof Promise ? value.then(next) : next(value)
}
