import type { Clock } from '../../clock.ts'
import { JobistemerError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'

/** A period in which storage calls failed, in ms before now. A current outage has `endedAgoMs` 0. */
export interface RecentOutage {
  readonly beganAgoMs: number
  readonly endedAgoMs: number
}

/** Interval of log lines during an outage, in ms. */
const repeatMs = 60_000

/**
 * Logs the start of an outage, one line per minute during it, and its end. An outage begins with the first failed call. It
 * ends when the storage answers a call while no failed call is being retried. If the caller of a failed call gives up, that
 * call delays the end no longer, but only an answer ends the outage.
 */
export class StorageOutage {
  readonly #clock: Clock
  readonly #logger: Logger
  /** Number of calls that have failed and are being retried. */
  #waiting = 0
  /** Number of failures since the outage began; 0: no outage. */
  #failures = 0
  /** Monotonic instant at which the outage began. */
  #beganAt = 0
  /** Monotonic instant of the last log line about the outage. */
  #saidAt = 0
  /** Monotonic instants of the last outage that has ended; `null`: no outage has ended. */
  #last: { readonly beganAt: number; readonly endedAt: number } | null = null
  /** Error codes of this outage. A new code is logged at once, because its remedy differs. */
  readonly #codes = new Set<string>()

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** The current outage, or the last one; `null`: no call has failed yet. */
  get last(): RecentOutage | null {
    const now = this.#clock.monotonic()
    if (this.#failures > 0) return { beganAgoMs: now - this.#beganAt, endedAgoMs: 0 }
    if (this.#last === null) return null
    return { beganAgoMs: now - this.#last.beganAt, endedAgoMs: now - this.#last.endedAt }
  }

  /** Records a failure. `isFirst`: the call has not failed before. */
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
    if (isNews) this.#logger.error({ operation, err: error }, 'the storage fails: retrying until it answers')
    else {
      const fields = { operation, forMs: Math.round(now - this.#beganAt), failures: this.#failures, err: error }
      this.#logger.error(fields, 'the storage is still unavailable: no run can start or end')
    }
  }

  /** A failed call is no longer retried, with or without an answer. */
  left(): void {
    this.#waiting--
  }

  /** The storage has answered a call. A call that failed before calls {@link left} first. */
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
