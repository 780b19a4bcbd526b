// The thresholds of the engine, in ms. A jump beyond the first is in doubt. Readings within the second agree. The engine
// follows readings that agree for as long as the third; with several clocks it takes longer, never less.
const jumpMs = 5000
const agreeMs = 1000
const confirmMs = 15_000

// Interval between two readings in doubt, in ms. Between them no node notices a wrong clock.
const readEveryMs = 1000

// Maximum time after an outage until a node reads the clock again, in ms.
const longestPauseMs = 5000

/** A time that a clock shows, as its offset ahead of the truth. */
interface Hold {
  readonly offsetMs: number
  readonly since: number
  /** Monotonic time at which the clock stopped showing it; infinite while it does. */
  until: number
  /** Total time for which the clock had been hidden until then, in ms. */
  hiddenMs: number
}

/** Tracks which of the times that a clock has shown a node may believe. */
export class ClockHolds {
  readonly #uncertaintyMs: number
  readonly #believed: number[] = []
  readonly #holds: Hold[] = []
  /** Total time for which the clock may have been hidden from the node, in ms. */
  #hiddenMs = 0

  constructor(uncertaintyMs: number) {
    this.#uncertaintyMs = uncertaintyMs
  }

  /** Hides the clock from the node until `show`. */
  hide(mono: number): void {
    this.#look(mono)
    const shown = this.#holds.at(-1)
    if (shown === undefined || shown.until <= mono) return
    shown.until = mono
    shown.hiddenMs = this.#hiddenMs
  }

  /** The clock is now `offsetMs` ahead of the truth. Before that it was hidden for `hiddenMs`. */
  show(offsetMs: number, mono: number, hiddenMs: number = 0): void {
    this.hide(mono)
    if (hiddenMs > 0) this.#hiddenMs += hiddenMs + longestPauseMs
    const gapMs = readEveryMs + 2 * this.#uncertaintyMs
    // A hidden clock has no effect on whether the readings before and after agree.
    const seenSince = (hold: Hold): number => mono - hold.until - (this.#hiddenMs - hold.hiddenMs)
    const earlier = this.#holds.find(
      (hold) => seenSince(hold) <= gapMs && Math.abs(hold.offsetMs - offsetMs) <= agreeMs + 2 * this.#uncertaintyMs,
    )
    this.#holds.push({ offsetMs, since: earlier?.since ?? mono, until: Number.POSITIVE_INFINITY, hiddenMs: 0 })
    this.#look(mono)
  }

  /** The node believes this time, whatever the clock has shown. */
  believe(offsetMs: number): void {
    this.#believed.push(offsetMs)
  }

  /** The maximum that the node may be ahead of the truth, in ms; `null` before it may believe anything. */
  mostAhead(mono: number): number | null {
    this.#look(mono)
    return this.#believed.length === 0 ? null : Math.max(...this.#believed) + agreeMs + 2 * this.#uncertaintyMs
  }

  #look(mono: number): void {
    const shown = this.#holds.at(-1)
    if (shown === undefined) return
    const { offsetMs, since, until } = shown
    const isNear = this.#believed.some((one) => Math.abs(one - offsetMs) <= jumpMs + 2 * this.#uncertaintyMs)
    if ((isNear || Math.min(mono, until) - since >= confirmMs) && !this.#believed.includes(offsetMs))
      this.#believed.push(offsetMs)
  }
}
