import type { SeededRandom } from '@jobistemer/test-kit'

// Where nodes follow their own clocks, whoever is most ahead does the work. Every second node keeps close to it.
const closeMs = 2000

// Of the lives that follow the storage's clock, some have a right one.
const rightClocks = 0.25

/**
 * Decides how wrong the clocks of the nodes are.
 *
 * Where engines follow the storage's clock, each life has another error, and any clock can be set at any time. Where
 * they follow their own, the job's next slot is where the clock that is most ahead has put it: were that node to come
 * back with an earlier time, all would wait until its old one has come. So a place keeps its error there, over all of
 * its lives, and a clock that is set goes back, and no further ahead than the first.
 */
export class ClockSkew {
  readonly #skewMs: number
  readonly #isShared: boolean
  readonly #random: SeededRandom
  readonly #places: readonly number[]

  constructor(options: {
    readonly skewMs: number
    /** Engines follow the storage's clock. */
    readonly isShared: boolean
    readonly nodes: number
    readonly random: SeededRandom
  }) {
    const { skewMs, isShared, nodes, random } = options
    this.#skewMs = skewMs
    this.#isShared = isShared
    this.#random = random
    this.#places = isShared || skewMs === 0 ? [] : Array.from({ length: nodes }, (_, index) => this.#ofPlace(index))
  }

  /** The place whose clock is most ahead; `null` where that makes no difference. */
  get leader(): number | null {
    return this.#places.length === 0 ? null : 0
  }

  /** By how much an engine's time may at most be ahead of the machine's. */
  get aheadMs(): number {
    return Math.max(0, ...this.#places)
  }

  /** By how much it may at most be behind. */
  get behindMs(): number {
    return this.#places.length === 0 ? 0 : this.#skewMs
  }

  /** The error that a new life of a place has. */
  ofLife(place: number): number {
    if (this.#skewMs === 0) return 0
    if (!this.#isShared) return this.#places[place] ?? 0
    return this.#random.chance(rightClocks) ? 0 : this.#anyError()
  }

  /** What a place's clock is set to by a jump. */
  afterJump(): number {
    return this.#isShared ? this.#anyError() : Math.round(this.#random.between(-this.#skewMs, this.aheadMs))
  }

  /** What a place's clock goes back to after a jump; `null`: it stays. */
  afterReturn(place: number): number | null {
    return this.#isShared ? null : (this.#places[place] ?? 0)
  }

  #anyError(): number {
    return Math.round(this.#random.between(-this.#skewMs, this.#skewMs))
  }

  #ofPlace(index: number): number {
    if (index === 0) return this.#skewMs
    if (index % 2 === 0) return this.#skewMs - Math.round(this.#random.between(0, closeMs))
    return this.#anyError()
  }
}
