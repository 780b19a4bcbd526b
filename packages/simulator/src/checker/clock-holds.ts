// What the engine compares with: a jump beyond the first is in doubt, readings within the second agree, and what has
// agreed for as long as the third is followed. Where several clocks speak, it takes longer; never less.
const jumpMs = 5000
const agreeMs = 1000
const confirmMs = 15_000

// Between two readings in doubt, a clock can be wrong without that anybody sees it.
const readEveryMs = 1000

// After an outage, a node looks at the clock again so late at most.
const longestPauseMs = 5000

/** One time, told by how far it is ahead of the truth, that a clock shows. */
interface Hold {
  readonly offsetMs: number
  readonly since: number
  /** When it was left; infinite as long as it is shown. */
  until: number
  /** For how long the clock had been hidden by then, in all. */
  hiddenMs: number
}

/** Which times a node may believe in, of those that the clock which it follows has shown to it. */
export class ClockHolds {
  readonly #uncertaintyMs: number
  readonly #believed: number[] = []
  readonly #holds: Hold[] = []
  /** For how long nobody may have seen the clock, in all. */
  #hiddenMs = 0

  constructor(uncertaintyMs: number) {
    this.#uncertaintyMs = uncertaintyMs
  }

  /** Nobody sees the clock from now on, until it is shown again. */
  hide(mono: number): void {
    this.#look(mono)
    const shown = this.#holds.at(-1)
    if (shown === undefined || shown.until <= mono) return
    shown.until = mono
    shown.hiddenMs = this.#hiddenMs
  }

  /** The clock is ahead of the truth by so much from now on. It was hidden for so long before. */
  show(offsetMs: number, mono: number, hiddenMs: number = 0): void {
    this.hide(mono)
    if (hiddenMs > 0) this.#hiddenMs += hiddenMs + longestPauseMs
    const gapMs = readEveryMs + 2 * this.#uncertaintyMs
    // What nobody saw between them makes no difference to two readings that agree.
    const seenSince = (hold: Hold): number => mono - hold.until - (this.#hiddenMs - hold.hiddenMs)
    const earlier = this.#holds.find(
      (hold) => seenSince(hold) <= gapMs && Math.abs(hold.offsetMs - offsetMs) <= agreeMs + 2 * this.#uncertaintyMs,
    )
    this.#holds.push({ offsetMs, since: earlier?.since ?? mono, until: Number.POSITIVE_INFINITY, hiddenMs: 0 })
    this.#look(mono)
  }

  /** It believes in this time, whatever it was shown. */
  believe(offsetMs: number): void {
    this.#believed.push(offsetMs)
  }

  /** How far ahead of the truth it may be at most; `null` before it may believe anything. */
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
