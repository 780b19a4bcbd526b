/** Target wait of a prefetched slot for a permit, in ms. */
const aheadMs = 5

/** Factor by which the remembered latency shrinks with each further handler. After 60 quick handlers, 5 % of it is left. */
const decay = 0.95

/** Milliseconds. If the slowest recent handler took at most this long, handlers count as quick. */
const quickMs = 100

/** Estimates how fast permits become free. The estimate assumes that all handlers are as slow as the slowest recent one. */
export class HandlerLatency {
  readonly #permits: number
  /** Infinite until the first handler has ended. */
  #slowestMs = Number.POSITIVE_INFINITY

  constructor(permits: number) {
    this.#permits = permits
  }

  /** An occurrence has given its permit back. Its handlers ran for this many milliseconds, without storage calls. */
  held(durationMs: number): void {
    const remembered = Number.isFinite(this.#slowestMs) ? this.#slowestMs * decay : 0
    this.#slowestMs = Math.max(durationMs, remembered)
  }

  /** A prefetched occurrence has found no permit for this many milliseconds. */
  stalled(durationMs: number): void {
    if (durationMs > this.#slowestMs) this.#slowestMs = durationMs
  }

  get isQuick(): boolean {
    return this.#slowestMs <= quickMs
  }

  /** How many occurrences beyond the permits will find a permit within {@link aheadMs}. */
  get soonStarted(): number {
    return this.#slowestMs === 0 ? Number.POSITIVE_INFINITY : Math.floor((this.#permits * aheadMs) / this.#slowestMs)
  }

  /** Milliseconds until the last of `count` occurrences finds a permit; 0 before the first handler has ended. */
  waitMs(count: number): number {
    return Number.isFinite(this.#slowestMs) ? (count * this.#slowestMs) / this.#permits : 0
  }
}
