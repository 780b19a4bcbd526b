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
   * Calls `callback` once, after `delayMs` or earlier. A callback must therefore read the clock, and set another timer if it
   * was called early. A clock whose wall time may jump, or that uses `setTimeout`, cuts delays to 60 s. With `unref`, the
   * timer does not keep the process alive.
   */
  setTimer(delayMs: number, callback: () => void, options?: { readonly unref?: boolean }): Timer
  /** Makes a virtual clock wait: its time does not advance before the promise settles. The real clock lacks this method. */
  track?(promise: Promise<unknown>): void
  /**
   * Calls `call`, which calls a handler or a hook. Returns the result of `call`: a native promise or a value. The time of a
   * virtual clock does not advance while the handler or hook waits for real work. Default: a plain call.
   */
  perform?<T>(call: () => T): T
  /**
   * The engine calls `passUntil` before it waits for a promise that may settle only after a timer has fired. A virtual clock
   * then advances by itself until the promise settles, unless a test advances the clock. The real clock lacks this method.
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
