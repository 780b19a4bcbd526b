/** A random number generator: equal seeds give equal sequences of numbers. */
export class SeededRandom {
  #state: number

  constructor(seed: string | number) {
    this.#state = hash(String(seed))
  }

  /** Returns a number in `[0, 1)`. */
  next(): number {
    // The algorithm Mulberry32 (Tommy Ettinger, public domain).
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** Returns a whole number in `[from, to]`. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  /** Returns a whole number in `[0, limit)`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** Returns a number in `[from, to)`. */
  between(from: number, to: number): number {
    return from + this.next() * (to - from)
  }

  /** Returns `true` with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** Returns a random item of a list that is not empty. */
  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)] as T
  }

  /** Returns a random item, or `undefined` for an empty list. */
  pickAny<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.next() * items.length)]
  }

  /** Returns a random name. The probability of a name is proportional to its weight. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][]
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      left -= weight
      if (left < 0) return name
    }
    return (entries.at(-1) as [Name, number])[0]
  }

  /** Returns the items in random order. */
  shuffled<T>(items: readonly T[]): T[] {
    const shuffled = [...items]
    for (let index = shuffled.length - 1; index > 0; index--) {
      const other = this.whole(0, index)
      const item = shuffled[index] as T
      shuffled[index] = shuffled[other] as T
      shuffled[other] = item
    }
    return shuffled
  }
}

/** FNV-1a, with a final mix so that similar seeds give different sequences. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  value = Math.imul(value ^ (value >>> 16), 0x45d9f3b)
  return (value ^ (value >>> 16)) >>> 0
}
