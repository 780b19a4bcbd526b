// A synchronous ledger is done when a call returns. What happens then happens at once, and not some turns later: another call
// may come in between, and every turn costs time.

/** A value, or a promise of one. */
export type MaybePromise<T> = T | Promise<T>

/** What comes of a value, at once when it is there. */
export function whenDone<T, Result>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<Result>,
): MaybePromise<Result> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** A course of steps, each of which may take its time: `yield* wait(…)` gives what comes of one. */
export type Course<Result> = Generator<MaybePromise<unknown>, Result, unknown>

export function* wait<T>(value: MaybePromise<T>): Course<T> {
  return (yield value) as T
}

/** Goes through a course, without a turn in between where nothing takes its time. */
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
