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
   * Calls back once after `delayMs`, or earlier: callers compare the clock again when called. A clock whose wall time may
   * jump, or that rests on `setTimeout`, cuts delays to 60 s.
   * A timer does not keep the process alive when `unref` is true.
   */
  setTimer(delayMs: number, callback: () => void, options?: { readonly unref?: boolean }): Timer
  /**
   * Told of each call to the storage, and of work that takes several turns, so that a virtual clock can wait for it
   * before it moves on. The real clock has no use for it.
   */
  track?(promise: Promise<unknown>): void
  /**
   * Calls a handler or a hook, and answers what it returns: a promise of the language, or what is no promise. A virtual
   * clock stands still while it waits for something real. Default: it is called without further ado.
   */
  perform?<T>(call: () => T): T
  /**
   * The engine calls this before it waits for something that only time may end, such as running work at a shutdown. A
   * virtual clock that no caller moves then moves by itself until the promise settles. The real clock lacks this
   * method.
   */
  passUntil?(promise: Promise<unknown>): void
  /**
   * What `context.sleep` waits with; rejects with the signal's reason when that fires first. Default: timers of
   * `setTimer`.
   */
  wait?(delayMs: number, signal: AbortSignal): Promise<void>
  /**
   * A number in `[0, 1)`, for the jitter of retries and the names of lives: a virtual clock gives the same ones for the
   * same seed. Default: the machine's chance.
   */
  random?(): number
}
