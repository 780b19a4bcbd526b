import type { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'

// If engines follow their own clocks, no clock is ahead of the first node's clock. A node whose clock is far behind it
// does no work. So half of the nodes have clocks that are behind it by at most this time, in ms.
const closeMs = 2000

// Share of processes with a right clock, if all engines follow the storage's clock.
const rightClocks = 0.25

/**
 * Decides how wrong the clocks of the node processes are:
 *
 * - If engines follow the storage's clock, each process has its own clock error. The driver can set any clock at any
 *   time.
 * - If engines follow their own clocks, all processes of one node have the same clock error. After a jump, the driver
 *   sets the clock back to this error. No clock is ever ahead of the first node's clock.
 *
 * In the second case, the clock error stays the same after a restart. Otherwise the first node could restart with an
 * earlier time. All nodes would then do no work until their clocks reach the previous time of the first node.
 */
export class ClockSkew {
  readonly #skewMs: number
  readonly #isShared: boolean
  readonly #random: SeededRandom
  readonly #places: readonly number[]

  constructor(options: {
    readonly skewMs: number
    /** Whether engines take the time from the storage's clock. */
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

  /** Index of the node whose clock is most ahead; `null` if engines follow the storage's clock, or all clocks are right. */
  get leader(): number | null {
    return this.#places.length === 0 ? null : 0
  }

  /** How far an engine's time may be ahead of the machine's clock at most, in ms. */
  get aheadMs(): number {
    return Math.max(0, ...this.#places)
  }

  /** How far an engine's time may be behind the machine's clock at most, in ms. */
  get behindMs(): number {
    return this.#places.length === 0 ? 0 : this.#skewMs
  }

  /** Returns the clock error of a new process of a node, in ms. */
  ofLife(place: number): number {
    if (this.#skewMs === 0) return 0
    if (!this.#isShared) return this.#places[place] ?? 0
    return this.#random.chance(rightClocks) ? 0 : this.#anyError()
  }

  /** Returns the error of a clock after a jump, in ms. */
  afterJump(): number {
    return this.#isShared ? this.#anyError() : Math.round(this.#random.between(-this.#skewMs, this.aheadMs))
  }

  /** Returns the error to which a node's clock returns after a jump, in ms; `null` if the clock keeps its new error. */
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
