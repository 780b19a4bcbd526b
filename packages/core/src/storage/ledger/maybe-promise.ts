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

/** A sequence of steps, each synchronous or asynchronous: `yield* wait(…)` returns the result of a step. */
export type Course<Result> = Generator<MaybePromise<unknown>, Result, unknown>

export function* wait<T>(value: MaybePromise<T>): Course<T> {
  return (yield value) as T
}

/** Runs a sequence, synchronously while its steps are. */
export function run<Result>(course: Course<Result>): MaybePromise<Result> {
  let step = course.next()
  while (step.done !== true) {
    const { value } = step
    if (value instanceof Promise) return runOn(course, value)
    step = course.next(value)
  }
  return step.value
}

async function runOn<Result>(course: Course<Result>, first: Promise<unknown>): Promise<Result> {
  let step = course.next(await first)
  while (step.done !== true) step = course.next(await step.value)
  return step.value
}
