/** Where a node has to take so much of what it stores from the storage itself, or more, the others are no less busy. */
const ownShare = 0.5

/** For so long at first, and at most, slots wait for a place on this node before it is tried again who has room. */
const firstPauseMs = 1000
const longestPauseMs = 30_000

/** What was stored and taken counts half after so long. */
const halfLifeMs = 10_000

/** An offer of which nothing was heard for so long may have failed. */
const unheardMs = 1000

/** More are not offered at a time, unless there are more places. */
const mostAtOnce = 1000

/**
 * Whether other nodes have room for slots that find no place on this one. That is tried: as many as there are places are
 * offered, which means stored without a start. In a fleet whose nodes are all as busy, a node takes as many from the
 * storage as it stores there: to store and to claim costs half as much again as to run, and nothing runs any sooner. So
 * nothing is offered for a while then, and ever longer. Where others take more, twice as many are offered.
 */
export class Offers {
  readonly #places: number
  /** How many are offered at a time, and how many of those are left. */
  #size: number
  #left: number
  /** Instants are monotonic. */
  #since = Number.NEGATIVE_INFINITY
  #pausedUntil = Number.NEGATIVE_INFINITY
  #pauseMs = 0
  /** How many this node has stored without a start of late, and how many it has taken. */
  #stored = 0
  #taken = 0
  #countedSince = Number.NEGATIVE_INFINITY
  /** Something was stored since that was judged last. */
  #isOpen = false

  constructor(places: number) {
    this.#places = places
    this.#size = places
    this.#left = places
  }

  /** Whether one more slot is offered now, together with so many others. */
  admits(together: number, now: number): boolean {
    if (now < this.#pausedUntil) return false
    if (now - this.#since >= unheardMs) this.#begin(now)
    return together < this.#left
  }

  /** So many slots are being stored without a start. */
  sent(count: number): void {
    this.#left -= count
  }

  /** This node has stored something that is due without a start. */
  stored(): void {
    this.#stored++
    this.#isOpen = true
  }

  /** This node has taken so many from the storage. */
  took(count: number): void {
    this.#taken += count
  }

  /** Nothing waits in the storage any more: others have taken what this node has not. */
  ended(now: number): void {
    if (this.#isOpen) this.#judge(now)
    if (now - this.#countedSince < halfLifeMs) return
    this.#countedSince = now
    this.#stored /= 2
    this.#taken /= 2
  }

  #judge(now: number): void {
    this.#isOpen = false
    const othersTake = this.#taken < this.#stored * ownShare
    this.#size = othersTake ? Math.min(2 * this.#size, Math.max(mostAtOnce, this.#places)) : this.#places
    this.#pauseMs = othersTake ? 0 : Math.min(Math.max(firstPauseMs, 2 * this.#pauseMs), longestPauseMs)
    this.#pausedUntil = now + this.#pauseMs
    this.#begin(now)
  }

  #begin(now: number): void {
    this.#since = now
    this.#left = this.#size
  }
}
