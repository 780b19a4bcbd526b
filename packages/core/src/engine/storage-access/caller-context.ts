import type { Clock, Timer } from '../../clock.ts'
import { orDefault, readMethods } from '../../configuration/read-value.ts'
import { cutText } from '../../cut-text.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Asked, RetryingStorage, StorageCalls } from './retrying-storage.ts'

/** For how long the caller of a method waits. */
export interface CallOptions {
  /**
   * How long to wait for each answer of the storage before the call rejects with `STORAGE_TIMEOUT`, whose `cause` is what
   * the storage failed with meanwhile. A payload schema that does not answer for as long rejects the call with
   * `WAIT_TIMEOUT`. At least 1 ms. Default: the scheduler's `callTimeout`.
   */
  readonly timeout?: DurationInput
  /** Ends the waiting when it fires: the call rejects with `ABORTED`. */
  readonly signal?: AbortSignal
}

/** What every method with options takes beside its own. */
export const callOptionNames = ['timeout', 'signal'] as const

const longestTimerMs = 60_000

/** Who has to answer a call: the storage, or the payload schema of a job. */
type Answering = 'storage' | 'schema'

/**
 * The storage, for one call from outside: as long as its caller waits. What the caller does not wait for any more is
 * not begun; what is under way then may still take effect.
 */
export class CallerContext implements Asked, StorageCalls {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly #storage: RetryingStorage
  #refusal: JobistemerError | null = null
  /** What the calls that are waited for have failed with last, since the last answer. */
  #failure: { readonly error: unknown } | null = null

  /** @throws JobistemerError `INVALID_DURATION`, `INVALID_ARGUMENT` */
  constructor(storage: RetryingStorage, clock: Clock, options: CallOptions, defaultTimeoutMs: number) {
    this.#storage = storage
    this.clock = clock
    // What is no object is refused by whoever knows the other options.
    const { timeout, signal } = typeof options === 'object' && options !== null ? options : {}
    this.timeoutMs = toDurationMs(orDefault(timeout, defaultTimeoutMs), 'timeout', { min: 1 })
    this.signal =
      signal === undefined ? undefined : readMethods(signal, 'signal', ['addEventListener', 'removeEventListener'])
  }

  get refusal(): JobistemerError | null {
    return this.#refusal
  }

  /** @throws JobistemerError `STORAGE_TIMEOUT`, `ABORTED` when the caller waits no more */
  assertWanted(): void {
    if (this.signal?.aborted) this.#refusal ??= aborted(this.signal)
    if (this.#refusal !== null) throw this.#refusal
  }

  failed(error: unknown): void {
    this.#failure = { error }
  }

  /** The time of a wait is over. */
  timedOut(answering: Answering): JobistemerError {
    return answering === 'schema' ? schemaTimedOut(this.timeoutMs) : timedOut(this.timeoutMs, this.#failure)
  }

  /** A wait has ended. */
  answered(): void {
    this.#failure = null
  }

  once<T>(call: (storage: Storage) => Promise<T>): Promise<T> {
    return this.within(() => this.#storage.once(call))
  }

  repeated<T>(operation: string, call: (storage: Storage) => Promise<T>): Promise<T> {
    return this.within(() => this.#storage.repeated(operation, call, this))
  }

  /**
   * The answer to a call, or the refusal when it takes too long.
   * @throws JobistemerError `ABORTED`; `STORAGE_TIMEOUT`, or `WAIT_TIMEOUT` for a schema
   */
  within<T>(call: () => Promise<T>, answering: Answering = 'storage'): Promise<T> {
    return new Promise((resolve, reject) => {
      this.assertWanted()
      const answer = call()
      const wait = this.wait(reject, answering)
      answer.then(
        (value) => {
          wait.end()
          resolve(value)
        },
        (error) => {
          wait.end()
          reject(error)
        },
      )
    })
  }

  /** Begins to wait; `refuse` is called when the caller waits no more, until the wait is ended. */
  wait(refuse: (refusal: JobistemerError) => void, answering: Answering = 'storage'): Wait {
    return new Wait(this, refuse, answering)
  }

  /** Whoever waits is told this, now and from now on. */
  refuse(refusal: JobistemerError): JobistemerError {
    this.#refusal ??= refusal
    return this.#refusal
  }
}

/** Somebody waits for an answer: for so long, and as long as the signal of the call has not fired. */
export class Wait {
  readonly #asked: CallerContext
  readonly #refuse: (refusal: JobistemerError) => void
  readonly #answering: Answering
  readonly #endAt: number
  #timer: Timer

  constructor(asked: CallerContext, refuse: (refusal: JobistemerError) => void, answering: Answering) {
    this.#asked = asked
    this.#refuse = refuse
    this.#answering = answering
    const { clock, timeoutMs, signal } = asked
    this.#endAt = clock.monotonic() + timeoutMs
    this.#timer = clock.setTimer(Math.min(timeoutMs, longestTimerMs), this.#look)
    signal?.addEventListener('abort', this, { once: true })
  }

  end(): void {
    this.#timer.cancel()
    this.#asked.answered()
    this.#asked.signal?.removeEventListener('abort', this)
  }

  /** The signal has fired. */
  handleEvent(): void {
    this.#over(aborted(this.#asked.signal as AbortSignal, this.#answering))
  }

  readonly #look = (): void => {
    const { clock } = this.#asked
    const leftMs = this.#endAt - clock.monotonic()
    if (leftMs > 0) this.#timer = clock.setTimer(Math.min(leftMs, longestTimerMs), this.#look)
    else this.#over(this.#asked.timedOut(this.#answering))
  }

  #over(refusal: JobistemerError): void {
    this.end()
    this.#refuse(this.#asked.refuse(refusal))
  }
}

const remedy = 'What was sent may still take effect: look in the storage, or ask again. A trigger with a key runs once.'

function timedOut(timeoutMs: number, failure: { readonly error: unknown } | null): JobistemerError {
  const message = `The storage has not answered within ${timeoutMs} ms.`
  return new JobistemerError('STORAGE_TIMEOUT', {
    message: failure === null ? message : `${message} It failed meanwhile, last with ${reasonOf(failure.error)}`,
    field: 'timeout',
    value: timeoutMs,
    remedy,
    ...(failure !== null && { cause: failure.error }),
  })
}

const schemaRemedy = 'Nothing was sent. Find out what the schema waits for, or give a longer timeout.'

function schemaTimedOut(timeoutMs: number): JobistemerError {
  return new JobistemerError('WAIT_TIMEOUT', {
    message: `The payload schema has not answered within ${timeoutMs} ms.`,
    field: 'timeout',
    value: timeoutMs,
    remedy: schemaRemedy,
  })
}

const longestReason = 300

/** The code of an error and its message, as a sentence. */
function reasonOf(error: unknown): string {
  const code = JobistemerError.isInstance(error) ? `${error.code}: ` : ''
  const text = cutText(`${code}${error instanceof Error ? error.message : printValue(error)}`, longestReason)
  return /[.!?…]$/.test(text) ? text : `${text}.`
}

function aborted(signal: AbortSignal, answering: Answering = 'storage'): JobistemerError {
  const who = answering === 'schema' ? 'payload schema' : 'storage'
  return new JobistemerError('ABORTED', {
    message: `The signal of the call fired before the ${who} had answered.`,
    field: 'signal',
    value: signal,
    remedy: answering === 'schema' ? schemaRemedy : remedy,
    cause: signal.reason,
  })
}
