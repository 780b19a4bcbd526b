// A synchronous ledger finishes within the call. Its continuation runs synchronously, because another call could
// interleave in a later turn, and each turn costs time.

/** A value, or a promise of one. */
export type MaybePromise<T> = T | Promise<T>

/** Applies a function to a value synchronously, or to a promise once it resolves. */
export function whenDone<T, Result>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<Result>,
): MaybePromise<Result> {
  return value instanceof Promise ? value.then(next) : next(value)
}
