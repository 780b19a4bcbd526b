// Limits of the engine's clock check, in ms. If a reading differs from the confirmed time by more than `jumpMs`, the time is in
// doubt. Two readings agree if the times that they imply for one instant differ by at most `agreeMs`. The engine adopts a new
// time after its readings have agreed for `confirmMs`.
const jumpMs = 5000
const agreeMs = 1000
const confirmMs = 15_000

// Interval between clock readings while the time is in doubt, in ms. A clock error that lasts less than this interval may fall
// between two readings.
const readEveryMs = 1000

// Maximum time from the end of an outage until a node reads the clock again, in ms.
const longestPauseMs = 5000

/** A period in which a clock had a constant offset from the true time. */
interface Hold {
  readonly offsetMs: number
  readonly since: number
  /** Monotonic time at which the clock stopped showing this offset; infinite while the clock still shows the offset. */
  until: number
  /** Total time in ms for which the clock was hidden from the node before this offset ended. */
  hiddenMs: number
}

/** Computes which times a node may adopt, among the times that a clock has shown. */
export class ClockHolds {
  readonly #uncertaintyMs: number
  readonly #believed: number[] = []
  readonly #holds: Hold[] = []
  /** Total time for which the clock may have been hidden from the node, in ms. */
  #hiddenMs = 0

  constructor(uncertaintyMs: number) {
    this.#uncertaintyMs = uncertaintyMs
  }

  /** Marks the clock as hidden from the node until the next call of `show`. */
  hide(mono: number): void {
    this.#look(mono)
    const shown = this.#holds.at(-1)
    if (shown === undefined || shown.until <= mono) return
    shown.until = mono
    shown.hiddenMs = this.#hiddenMs
  }

  /** The node can read the clock again, after it could not for `hiddenMs`. The clock is now `offsetMs` ahead of the true time. */
  show(offsetMs: number, mono: number, hiddenMs: number = 0): void {
    this.hide(mono)
    if (hiddenMs > 0) this.#hiddenMs += hiddenMs + longestPauseMs
    const gapMs = readEveryMs + 2 * this.#uncertaintyMs
    // Leaves out the time for which the clock was hidden from the node. Readings before and after that time can still
    // agree.
    const seenSince = (hold: Hold): number => mono - hold.until - (this.#hiddenMs - hold.hiddenMs)
    const earlier = this.#holds.find(
      (hold) => seenSince(hold) <= gapMs && Math.abs(hold.offsetMs - offsetMs) <= agreeMs + 2 * this.#uncertaintyMs,
    )
    this.#holds.push({ offsetMs, since: earlier?.since ?? mono, until: Number.POSITIVE_INFINITY, hiddenMs: 0 })
    this.#look(mono)
  }

  /**
   * Lets the node adopt a time at once, without readings that agree for 15 s. `offsetMs`: how far this time is ahead of the
   * true time.
   */
  believe(offsetMs: number): void {
    this.#believed.push(offsetMs)
  }

  /** Returns how far the node's time may be ahead of the true time, in ms; `null` before the node may adopt a time. */
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
