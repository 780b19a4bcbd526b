/** What is taken ahead of a place is to begin within so many milliseconds. */
const aheadMs = 5

/** How much of the slowest one that was seen counts after each further one. */
const decay = 0.95

/** Handlers of which none takes longer are quick: what waits for a place has one soon. */
const quickMs = 100

/** How quickly places become free, judged by the slowest of the last handlers. */
export class Pace {
  readonly #limit: number
  /** Nothing is known before the first has ended. */
  #slowestMs = Number.POSITIVE_INFINITY

  constructor(limit: number) {
    this.#limit = limit
  }

  /** An occurrence has held its place for so long. */
  held(durationMs: number): void {
    const remembered = Number.isFinite(this.#slowestMs) ? this.#slowestMs * decay : 0
    this.#slowestMs = Math.max(durationMs, remembered)
  }

  /** None has become free for so long. */
  stalled(durationMs: number): void {
    if (durationMs > this.#slowestMs) this.#slowestMs = durationMs
  }

  get isQuick(): boolean {
    return this.#slowestMs <= quickMs
  }

  /** How many more than there are places will soon have found one. */
  get soonStarted(): number {
    return this.#slowestMs === 0 ? Number.POSITIVE_INFINITY : Math.floor((this.#limit * aheadMs) / this.#slowestMs)
  }

  /** In how many milliseconds the last of so many will have found a place; 0 as long as nothing is known. */
  waitMs(count: number): number {
    return Number.isFinite(this.#slowestMs) ? (count * this.#slowestMs) / this.#limit : 0
  }
}
