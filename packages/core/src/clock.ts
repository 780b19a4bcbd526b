/** A pending call of {@link Clock.setTimer}. */
export interface Timer {
  /** Cancels the timer's callback. Does nothing once the callback has been called. */
  cancel(): void
}

/** The clock of the engine: {@link systemClock}, or in tests `virtualClock` of `@jobistemer/core/testing`. */
export interface Clock {
  /** True if the engine uses this clock in place of the storage's clock. Default false. */
  readonly isAuthoritative?: boolean
  /** Wall time in epoch milliseconds. May jump. */
  now(): number
  /** Milliseconds since an arbitrary instant; never jumps or runs backwards. */
  monotonic(): number
  /**
   * Calls `callback` once, after `delayMs` or earlier. With `unref`, the timer does not keep the process alive.
   *
   * - If the callback is called early, it must set another timer. So a callback has to read the clock.
   * - An implementation must limit delays to 60 s if its wall time may jump, or if it uses `setTimeout`.
   */
  setTimer(delayMs: number, callback: () => void, options?: { readonly unref?: boolean }): Timer
  /** Makes a virtual clock wait: its time does not advance before the promise settles. The real clock lacks this method. */
  track?(promise: Promise<unknown>): void
  /**
   * The engine calls each handler and hook through this method. The method calls `call` and returns its result: a native
   * promise or a value. While the handler or hook waits for real work, the time of a virtual clock does not advance.
   * Default: a plain call.
   */
  perform?<T>(call: () => T): T
  /**
   * The engine calls this method before it waits for a promise that may settle only after a timer has fired. A virtual clock
   * then moves from timer to timer by itself until the promise settles. The clock does not do so while a test moves it. The
   * real clock lacks this method.
   */
  passUntil?(promise: Promise<unknown>): void
  /**
   * Implements `context.sleep`: resolves after `delayMs`, or rejects with the signal's reason if the signal fires first.
   * Default: timers of `setTimer`.
   */
  wait?(delayMs: number, signal: AbortSignal): Promise<void>
  /**
   * A number in `[0, 1)`, for jitter and ids. A virtual clock returns the same numbers for the same seed. Default: a random
   * number.
   */
  random?(): number
}
