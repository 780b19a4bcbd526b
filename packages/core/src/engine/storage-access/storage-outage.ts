import type { Clock } from '../../clock.ts'
import { JobistemerError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'

/** A stretch in which storage calls failed, in milliseconds before the present. One that lasts ends now. */
export interface RecentOutage {
  readonly beganAgoMs: number
  readonly endedAgoMs: number
}

/** While an outage lasts, the log says so this often. */
const repeatMs = 60_000

/**
 * Logs the begin of an outage, once a minute that it lasts, and its end. An outage begins with the first call that fails
 * and is over when each call that failed has its answer.
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
  /** Monotonic instant of the last line about it. */
  #saidAt = 0
  /** Monotonic instants of the last outage that is over; `null`: there was none. */
  #last: { readonly beganAt: number; readonly endedAt: number } | null = null
  /** Codes of the failures so far. Another one has another remedy. */
  readonly #codes = new Set<string>()

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** The outage that lasts, or the last one; `null`: there was none. */
  get last(): RecentOutage | null {
    const now = this.#clock.monotonic()
    if (this.#failures > 0) return { beganAgoMs: now - this.#beganAt, endedAgoMs: 0 }
    if (this.#last === null) return null
    return { beganAgoMs: now - this.#last.beganAt, endedAgoMs: now - this.#last.endedAt }
  }

  /** `isFirst`: the call has not failed before. */
  failed(operation: string, error: unknown, isFirst: boolean): void {
    if (isFirst) this.#waiting++
    const now = this.#clock.monotonic()
    if (this.#failures === 0) this.#beganAt = now
    this.#failures++
    const code = JobistemerError.isInstance(error) ? error.code : ''
    const isNews = !this.#codes.has(code)
    if (!isNews && now - this.#saidAt < repeatMs) return
    this.#codes.add(code)
    this.#saidAt = now
    if (isNews) this.#logger.error({ operation, err: error }, 'the storage fails: calls are repeated until it answers')
    else {
      const fields = { operation, forMs: Math.round(now - this.#beganAt), failures: this.#failures, err: error }
      this.#logger.error(fields, 'the storage is still unavailable: nothing runs that has to be written first')
    }
  }

  /** A call that had failed is repeated no more, with or without an answer. */
  left(): void {
    this.#waiting--
  }

  /** A call has its answer. */
  answered(): void {
    if (this.#failures === 0 || this.#waiting > 0) return
    const endedAt = this.#clock.monotonic()
    this.#last = { beganAt: this.#beganAt, endedAt }
    const forMs = Math.round(endedAt - this.#beganAt)
    this.#logger.warn({ forMs, failures: this.#failures }, 'the storage answers again')
    this.#failures = 0
    this.#codes.clear()
  }
}
