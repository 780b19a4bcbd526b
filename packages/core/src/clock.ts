/** A timer that was set. */
export interface Timer {
  /** It does not call back any more. Does nothing once it has called back. */
  cancel(): void
}

/**
 * Where the engine gets its time from. {@link systemClock} is the real one; `virtualClock` of
 * `@jobistemer/core/testing` is one for tests.
 */
export interface Clock {
  /**
   * True for a clock that decides what time it is, as a virtual one does: then a storage's own clock is not followed.
   * Default false.
   */
  readonly isAuthoritative?: boolean
  /** Wall time in epoch milliseconds. May jump. */
  now(): number
  /** Milliseconds since some moment; never jumps and never runs backwards. */
  monotonic(): number
  /**
   * Calls back once after `delayMs`. A delay above 60 s is cut to 60 s: callers look at the clock again when called.
   * A timer does not keep the process alive when `unref` is true.
   */
  setTimer(delayMs: number, callback: () => void, options?: { readonly unref?: boolean }): Timer
  /**
   * Told of each call to the storage, and of work that takes several turns, so that a virtual clock can wait for it
   * before it moves on. The real clock has no use for it.
   */
  track?(promise: Promise<unknown>): void
  /**
   * A number in `[0, 1)`, for the jitter of retries and the names of lives: a virtual clock gives the same ones for the
   * same seed. Default: the machine's chance.
   */
  random?(): number
}
