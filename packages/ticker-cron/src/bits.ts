/** The number of the lowest bit that is set; the argument is not 0. */
export function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask)
}

/** The number of the highest bit that is set; the argument is not 0. */
export function highestBit(mask: number): number {
  return 31 - Math.clz32(mask)
}

/** A set of the numbers 0 to 59 as two masks of 30 bits: minutes or seconds. */
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

  /** The least member that is not below `from`, or 60. */
  atOrAbove(from: number): number {
    if (from < 30) {
      const rest = this.#low >>> from
      if (rest !== 0) return from + lowestBit(rest)
      return this.#high === 0 ? 60 : 30 + lowestBit(this.#high)
    }
    const rest = from < 60 ? this.#high >>> (from - 30) : 0
    return rest === 0 ? 60 : from + lowestBit(rest)
  }

  /** The greatest member that is not above `from`, or -1. */
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
