import type { Clock } from '../../clock.ts'
import { JobistemerError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'

/**
 * Logs when the storage begins to fail, and when it answers again: however many calls fail, and are repeated, it is one
 * outage. It is over when every call that failed has its answer.
 */
export class StorageOutage {
  readonly #clock: Clock
  readonly #logger: Logger
  /** Calls that have failed and are repeated. */
  #waiting = 0
  /** How often calls have failed since it began; 0 while all is well. */
  #failures = 0
  /** Monotonic instant. */
  #beganAt = 0
  /** Codes of the failures so far. Another one has another remedy. */
  readonly #codes = new Set<string>()

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** `isFirst`: the call has not failed before. */
  failed(operation: string, error: unknown, isFirst: boolean): void {
    if (isFirst) this.#waiting++
    if (this.#failures === 0) this.#beganAt = this.#clock.monotonic()
    this.#failures++
    const code = JobistemerError.isInstance(error) ? error.code : ''
    if (this.#codes.has(code)) return
    this.#codes.add(code)
    this.#logger.error({ operation, err: error }, 'the storage fails: calls are repeated until it answers')
  }

  /** A call that had failed is repeated no more, with or without an answer. */
  left(): void {
    this.#waiting--
  }

  /** A call has its answer. */
  answered(): void {
    if (this.#failures === 0 || this.#waiting > 0) return
    const forMs = Math.round(this.#clock.monotonic() - this.#beganAt)
    this.#logger.warn({ forMs, failures: this.#failures }, 'the storage answers again')
    this.#failures = 0
    this.#codes.clear()
  }
}
