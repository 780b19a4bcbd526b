import { longestShownText } from './tuning.ts'
import type { Clock } from '../../clock.ts'
import { orDefault, readSignal } from '../../configuration/read-value.ts'
import { cutText } from '../../cut-text.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Asked, RetryingStorage, StorageCalls } from './retrying-storage.ts'

/** How long the caller of a method waits for the storage. */
export interface CallOptions {
  /**
   * Maximum wait for each answer, at least 1 ms. Default: the scheduler's `callTimeout`. If an answer of the storage takes
   * longer, the call rejects with `STORAGE_TIMEOUT`. The `cause` of this error is the last error of the storage. If the job's
   * payload schema takes longer, the call rejects with `WAIT_TIMEOUT`.
   */
  readonly timeout?: DurationInput
  /** Cancels the wait: if this signal fires, the call rejects with `ABORTED`. */
  readonly signal?: AbortSignal
}

/** Names of the options of {@link CallOptions}, which each method accepts besides its own options. */
export const callOptionNames = ['timeout', 'signal'] as const

/** What a caller waits for: an answer of the storage, or of the payload schema of a job. */
type Answering = 'storage' | 'schema'

/**
 * The storage calls of one API call, with its timeout and signal. The timeout applies to each wait, not to the whole call. A
 * caller gives up when a wait exceeds the timeout or the signal fires. The refusal is the error that the caller then receives.
 * After the refusal, no further storage call begins. A storage call in progress may still take effect.
 */
export class CallerContext implements Asked, StorageCalls {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly #storage: RetryingStorage
  refusal: JobistemerError | null = null
  /** The error of the last failed storage call; `null` if no call has failed since the last answer of the storage. */
  #failure: { readonly error: unknown } | null = null

  /** @throws JobistemerError `INVALID_DURATION`, `INVALID_ARGUMENT` */
  constructor(storage: RetryingStorage, clock: Clock, options: CallOptions, defaultTimeoutMs: number) {
    this.#storage = storage
    this.clock = clock
    // If `options` is no object, use the defaults here. The code that reads the method's own options then rejects the value.
    const { timeout, signal } = typeof options === 'object' && options !== null ? options : {}
    this.timeoutMs = toDurationMs(orDefault(timeout, defaultTimeoutMs), 'timeout', { min: 1 })
    this.signal = readSignal(signal)
  }

  /** @throws JobistemerError `STORAGE_TIMEOUT`, `WAIT_TIMEOUT` or `ABORTED` if the caller has given up */
  assertWanted(): void {
    if (this.signal?.aborted) this.refusal ??= aborted(this.signal)
    if (this.refusal !== null) throw this.refusal
  }

  failed(error: unknown): void {
    this.#failure = { error }
  }

  once<T>(call: (storage: Storage) => Promise<T>): Promise<T> {
    return this.within(() => this.#storage.once(call))
  }

  repeated<T>(operation: string, call: (storage: Storage) => Promise<T>): Promise<T> {
    return this.within(() => this.#storage.repeated(operation, call, this))
  }

  /**
   * Makes a call and resolves with its answer. Rejects if the caller gives up before the answer.
   * @throws JobistemerError `ABORTED`; `STORAGE_TIMEOUT`, or `WAIT_TIMEOUT` for a schema
   */
  within<T>(call: () => Promise<T>, answering: Answering = 'storage'): Promise<T> {
    return new Promise((resolve, reject) => {
      this.assertWanted()
      const answer = call()
      const endWait = this.wait(reject, answering)
      answer.then(endWait, endWait)
      answer.then(resolve, reject)
    })
  }

  /**
   * Begins a wait for one answer. If the timeout passes or the signal fires before the wait ends, `refuse` is called.
   *
   * Returns the function that ends the wait, because the answer has arrived. The end also forgets earlier errors of the storage.
   * So if a later wait of this caller times out, its error does not name them as the cause.
   */
  wait(refuse: (refusal: JobistemerError) => void, answering: Answering = 'storage'): () => void {
    const { clock, timeoutMs, signal } = this
    const endAt = clock.monotonic() + timeoutMs
    const end = (): void => {
      timer.cancel()
      this.#failure = null
      signal?.removeEventListener('abort', abort)
    }
    const giveUp = (refusal: JobistemerError): void => {
      end()
      this.refusal ??= refusal
      refuse(this.refusal)
    }
    const look = (): void => {
      const leftMs = endAt - clock.monotonic()
      if (leftMs > 0) timer = clock.setTimer(leftMs, look)
      else giveUp(timedOut(answering, timeoutMs, answering === 'schema' ? null : this.#failure))
    }
    const abort = (): void => giveUp(aborted(signal as AbortSignal, answering))
    let timer = clock.setTimer(timeoutMs, look)
    signal?.addEventListener('abort', abort, { once: true })
    return end
  }
}

const answerers = { storage: 'storage', schema: 'payload schema' } as const

const remedies = {
  storage: 'The call may still take effect: check the storage, or repeat the call. A trigger with a key runs once.',
  schema: 'Nothing was stored. Check what the schema waits for, or set a longer timeout.',
} as const

function timedOut(
  answering: Answering,
  timeoutMs: number,
  failure: { readonly error: unknown } | null,
): JobistemerError {
  const message = `The ${answerers[answering]} has not answered within ${timeoutMs} ms.`
  return new JobistemerError(answering === 'schema' ? 'WAIT_TIMEOUT' : 'STORAGE_TIMEOUT', {
    message: failure === null ? message : `${message} It failed meanwhile, last with ${reasonOf(failure.error)}`,
    field: 'timeout',
    value: timeoutMs,
    remedy: remedies[answering],
    ...(failure !== null && { cause: failure.error }),
  })
}

/** Returns the code and the message of an error as a sentence. */
function reasonOf(error: unknown): string {
  const code = JobistemerError.isInstance(error) ? `${error.code}: ` : ''
  const text = cutText(`${code}${error instanceof Error ? error.message : printValue(error)}`, longestShownText)
  return /[.!?…]$/.test(text) ? text : `${text}.`
}

function aborted(signal: AbortSignal, answering: Answering = 'storage'): JobistemerError {
  const message = `The signal of the call fired before the ${answerers[answering]} had answered.`
  return abortedBy(signal, message, remedies[answering])
}

/** Returns the error of a call whose signal has fired. */
export function abortedBy(signal: AbortSignal, message: string, remedy: string): JobistemerError {
  return new JobistemerError('ABORTED', { message, field: 'signal', value: signal, remedy, cause: signal.reason })
}
