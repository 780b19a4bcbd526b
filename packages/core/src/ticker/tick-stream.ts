/** A tick: an instant of the schedule that has come. */
export interface Tick {
  /** The instant of the schedule. */
  readonly scheduledAt: Date
  /** When the ticker noticed it, by the wall clock. */
  readonly firedAt: Date
  /** `firedAt - scheduledAt`, in milliseconds. */
  readonly lateMs: number
  /**
   * True if this instant, or an earlier one that the tick covers, was noticed later than the ticker's `lateAfter`: the
   * process stalled, the machine slept or its clock jumped.
   */
  readonly isLate: boolean
  /** Number of earlier instants that were due as well and get no tick. Counted up to 10,000. */
  readonly skipped: number
  /** Number of ticks that this reader lost just before this one, because it had too many unread ticks. */
  readonly dropped: number
}

interface Waiting {
  readonly resolve: (result: IteratorResult<Tick, undefined>) => void
  readonly reject: (error: unknown) => void
}

const over: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** The ticks of one reader. The ticker never waits for the reader, so the stream keeps only the newest unread ticks. */
export class TickStream implements AsyncIterableIterator<Tick> {
  readonly #maxUnread: number
  readonly #onReturn: (stream: TickStream) => void
  #unread: Tick[] = []
  #waiting: Waiting[] = []
  #dropped = 0
  #isOver = false
  #failure: { readonly error: unknown } | undefined

  constructor(maxUnread: number, onReturn: (stream: TickStream) => void) {
    this.#maxUnread = maxUnread
    this.#onReturn = onReturn
  }

  push(tick: Tick): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: tick })
      return
    }
    if (this.#unread.length === this.#maxUnread) {
      this.#unread.shift()
      this.#dropped++
    }
    this.#unread.push(tick)
  }

  /** Unread ticks can still be read; then the stream ends or rejects. */
  end(failure?: { readonly error: unknown }): void {
    this.#isOver = true
    this.#failure = failure
    for (const waiting of this.#waiting.splice(0)) this.#next().then(waiting.resolve, waiting.reject)
  }

  next(): Promise<IteratorResult<Tick, undefined>> {
    if (this.#unread.length > 0 || this.#isOver) return this.#next()
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** The reader stops reading. */
  return(): Promise<IteratorResult<Tick, undefined>> {
    this.#unread = []
    this.end()
    this.#onReturn(this)
    return Promise.resolve(over)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #next(): Promise<IteratorResult<Tick, undefined>> {
    const tick = this.#unread.shift()
    if (tick !== undefined) {
      const value = this.#dropped === 0 ? tick : { ...tick, dropped: this.#dropped }
      this.#dropped = 0
      return { done: false, value }
    }
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
    return over
  }
}
