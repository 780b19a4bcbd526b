/** Returns the index of the lowest set bit. `mask` must not be 0. */
export function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask)
}

/** Returns the index of the highest set bit. `mask` must not be 0. */
export function highestBit(mask: number): number {
  return 31 - Math.clz32(mask)
}

/** A set of numbers from 0 to 59, for minutes or seconds, as two masks of 30 bits. */
export class SixtySet {
  readonly #low: number
  readonly #high: number

  constructor(values: readonly number[]) {
    let low = 0
    let high = 0
    for (const value of values) {
      if (value < 30) low |= 1 << value
      else high |= 1 << (value - 30)
    }
    this.#low = low
    this.#high = high
  }

  /** Returns the least number of the set that is at least `from`; 60 if there is none. */
  atOrAbove(from: number): number {
    if (from < 30) {
      const rest = this.#low >>> from
      if (rest !== 0) return from + lowestBit(rest)
      return this.#high === 0 ? 60 : 30 + lowestBit(this.#high)
    }
    const rest = from < 60 ? this.#high >>> (from - 30) : 0
    return rest === 0 ? 60 : from + lowestBit(rest)
  }

  /** Returns the greatest number of the set that is at most `from`; -1 if there is none. */
  atOrBelow(from: number): number {
    if (from >= 30) {
      const rest = this.#high & ((2 << (from - 30)) - 1)
      if (rest !== 0) return 30 + highestBit(rest)
    }
    if (from < 0) return -1
    const rest = this.#low & (from >= 30 ? -1 : (2 << from) - 1)
    return rest === 0 ? -1 : highestBit(rest)
  }
}
