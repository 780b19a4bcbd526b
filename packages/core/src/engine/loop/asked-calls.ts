import type { Clock, Timer } from '../../clock.ts'
import { orDefault, readMethods } from '../../configuration/read-value.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import { JobistemerError } from '../../errors.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Asked, StorageCaller, StorageCalls } from './storage-caller.ts'

/** For how long the caller of a method waits. */
export interface CallOptions {
  /**
   * How long to wait for each answer of the storage before the call rejects with `STORAGE_TIMEOUT`. At least 1 ms.
   * Default: the scheduler's `callTimeout`.
   */
  readonly timeout?: DurationInput
  /** Ends the waiting when it fires: the call rejects with `ABORTED`. */
  readonly signal?: AbortSignal
}

/** What every method with options takes beside its own. */
export const callOptionNames = ['timeout', 'signal'] as const

const longestTimerMs = 60_000

/**
 * The storage, for one call from outside: as long as its caller waits. What the caller does not wait for any more is
 * not begun; what is under way then may still take effect.
 */
export class AskedCalls implements Asked, StorageCalls {
  readonly #storage: StorageCaller
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #signal: AbortSignal | undefined
  #refusal: JobistemerError | null = null

  /** @throws JobistemerError `INVALID_DURATION`, `INVALID_ARGUMENT` */
  constructor(storage: StorageCaller, clock: Clock, options: CallOptions, defaultTimeoutMs: number) {
    this.#storage = storage
    this.#clock = clock
    // What is no object is refused by whoever knows the other options.
    const { timeout, signal } = typeof options === 'object' && options !== null ? options : {}
    this.#timeoutMs = toDurationMs(orDefault(timeout, defaultTimeoutMs), 'timeout', { min: 1 })
    this.#signal =
      signal === undefined ? undefined : readMethods(signal, 'signal', ['addEventListener', 'removeEventListener'])
  }

  get refusal(): JobistemerError | null {
    return this.#refusal
  }

  /** @throws JobistemerError `STORAGE_TIMEOUT`, `ABORTED` when the caller waits no more */
  assertWanted(): void {
    if (this.#signal?.aborted) this.#refusal ??= aborted(this.#signal)
    if (this.#refusal !== null) throw this.#refusal
  }

  once<T>(call: (storage: Storage) => Promise<T>): Promise<T> {
    return this.within(() => this.#storage.once(call))
  }

  repeated<T>(operation: string, call: (storage: Storage) => Promise<T>): Promise<T> {
    return this.within(() => this.#storage.repeated(operation, call, this))
  }

  /** The answer to a call, or the refusal when it takes too long. @throws JobistemerError `STORAGE_TIMEOUT`, `ABORTED` */
  within<T>(call: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.assertWanted()
      const answer = call()
      const endAt = this.#clock.monotonic() + this.#timeoutMs
      let timer: Timer
      const end = (): void => {
        timer.cancel()
        this.#signal?.removeEventListener('abort', abort)
      }
      const refuse = (refusal: JobistemerError): void => {
        this.#refusal ??= refusal
        end()
        reject(this.#refusal)
      }
      const abort = (): void => refuse(aborted(this.#signal as AbortSignal))
      const look = (): void => {
        const leftMs = endAt - this.#clock.monotonic()
        if (leftMs > 0) timer = this.#clock.setTimer(Math.min(leftMs, longestTimerMs), look)
        else refuse(timedOut(this.#timeoutMs))
      }
      timer = this.#clock.setTimer(Math.min(this.#timeoutMs, longestTimerMs), look)
      this.#signal?.addEventListener('abort', abort, { once: true })
      answer.then(
        (value) => {
          end()
          resolve(value)
        },
        (error) => {
          end()
          reject(error)
        },
      )
    })
  }
}

const remedy = 'What was sent may still take effect: look in the storage, or ask again. A trigger with a key runs once.'

function timedOut(timeoutMs: number): JobistemerError {
  return new JobistemerError('STORAGE_TIMEOUT', {
    message: `The storage has not answered within ${timeoutMs} ms.`,
    field: 'timeout',
    value: timeoutMs,
    remedy,
  })
}

function aborted(signal: AbortSignal): JobistemerError {
  return new JobistemerError('ABORTED', {
    message: 'The signal of the call fired before the storage had answered.',
    field: 'signal',
    value: signal,
    remedy,
    cause: signal.reason,
  })
}
