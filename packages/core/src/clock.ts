/** A timer that was set. */
export interface Timer {
  /** Cancels the call. Does nothing after the call. */
  cancel(): void
}

/**
 * The clock of the engine. {@link systemClock} is the real clock; `virtualClock` of `@jobistemer/core/testing` is for
 * tests.
 */
export interface Clock {
  /** True if this clock overrides the clock of the storage, as a virtual clock does. Default false. */
  readonly isAuthoritative?: boolean
  /** Wall time in epoch milliseconds. May jump. */
  now(): number
  /** Milliseconds since an arbitrary instant; never jumps or runs backwards. */
  monotonic(): number
  /**
   * Calls back once after `delayMs` or earlier; callbacks compare the clock again. A clock whose wall time may jump, or
   * that uses `setTimeout`, cuts delays to 60 s. With `unref`, the timer does not keep the process alive.
   */
  setTimer(delayMs: number, callback: () => void, options?: { readonly unref?: boolean }): Timer
  /**
   * The engine passes the promise of each storage call, and of work that takes several turns. A virtual clock waits for
   * it before it moves. The real clock lacks this method.
   */
  track?(promise: Promise<unknown>): void
  /**
   * Calls a handler or a hook, and returns its result: a native promise or a value. A virtual clock stands still while
   * the call waits for real work. Default: a plain call.
   */
  perform?<T>(call: () => T): T
  /**
   * The engine calls this before it waits for something that only time may end, such as running work at a shutdown. A
   * virtual clock that no caller moves then moves by itself until the promise settles. The real clock lacks this
   * method.
   */
  passUntil?(promise: Promise<unknown>): void
  /** Implements `context.sleep`. If the signal fires first, rejects with its reason. Default: timers of `setTimer`. */
  wait?(delayMs: number, signal: AbortSignal): Promise<void>
  /**
   * A number in `[0, 1)`, for the jitter of retries and the ids of incarnations. A virtual clock returns the same
   * numbers for the same seed. Default: a random number.
   */
  random?(): number
}
