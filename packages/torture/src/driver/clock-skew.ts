import type { SeededRandom } from '@jobistemer/test-kit'

// If nodes follow their own clocks, the node that is most ahead does all the work. Therefore the clock of every second node
// stays this close to it, in ms.
const closeMs = 2000

// Share of right clocks among the lives that follow the storage's clock.
const rightClocks = 0.25

/**
 * Decides how wrong the clocks of the nodes are.
 *
 * If engines follow the storage's clock, each life has another error, and any clock can be set at any time.
 *
 * If engines follow their own clocks, the clock that is most ahead determines the job's next slot. If that node returned with
 * an earlier time, all nodes would wait for its old time. Therefore a place keeps its error over all of its lives. A clock that
 * is set returns to its error, and is never further ahead than the first one.
 */
export class ClockSkew {
  readonly #skewMs: number
  readonly #isShared: boolean
  readonly #random: SeededRandom
  readonly #places: readonly number[]

  constructor(options: {
    readonly skewMs: number
    /** Whether engines follow the storage's clock. */
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

  /** The place whose clock is most ahead; `null` if engines follow the storage's clock, or all clocks are right. */
  get leader(): number | null {
    return this.#places.length === 0 ? null : 0
  }

  /** Maximum that an engine's time may be ahead of the machine's. */
  get aheadMs(): number {
    return Math.max(0, ...this.#places)
  }

  /** Maximum that it may be behind. */
  get behindMs(): number {
    return this.#places.length === 0 ? 0 : this.#skewMs
  }

  /** The error of a new life of a place. */
  ofLife(place: number): number {
    if (this.#skewMs === 0) return 0
    if (!this.#isShared) return this.#places[place] ?? 0
    return this.#random.chance(rightClocks) ? 0 : this.#anyError()
  }

  /** The error of a clock after a jump. */
  afterJump(): number {
    return this.#isShared ? this.#anyError() : Math.round(this.#random.between(-this.#skewMs, this.aheadMs))
  }

  /** The error to which a place's clock returns after a jump; `null`: it keeps the new one. */
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
