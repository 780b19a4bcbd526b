import type { Clock } from '../../clock.ts'

/** After a look that found no other job, the next look follows after this many ms, unless a newcomer appears. */
const pauseMs = 1000

/** Looks take at most one part in this many of the time: a storage may read past all that waits of the busy jobs. */
const pauseFactor = 20

/** A round of more jobs than this ends: no job of so many holds most of the node. */
const mostInRound = 100

/**
 * Gives each job with waiting work its turn while more waits in the storage than this node has room for. A claim takes
 * the oldest work first, so thousands of requests of one job would keep all others waiting.
 *
 * Turns go in rounds. A job has had its turn when this node has begun a run of it. A look is a claim that leaves out the
 * jobs that have had their turn. The round ends with the look that finds nothing; the next claim takes from all jobs.
 *
 * Jobs are told apart by their handler keys. Jobs whose tasks name the same handlers share a turn.
 */
export class FairTurns {
  readonly #clock: Pick<Clock, 'monotonic'>
  /** Handler keys of the jobs that have had their turn in this round. */
  #served = new Set<string>()
  /** Handler keys of the jobs of the last round that ended; `null`: unknown. */
  #lastRound: ReadonlySet<string> | null = null
  /** Monotonic instants: of the next look, and of the first that the cost of the last look allows. */
  #nextAt = Number.NEGATIVE_INFINITY
  #soonestAt = Number.NEGATIVE_INFINITY

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Handler keys that the next claim leaves out; `null`: the claim takes from all jobs. */
  leftOut(): readonly string[] | null {
    return this.#served.size > 0 && this.#clock.monotonic() >= this.#nextAt ? [...this.#served] : null
  }

  /** Returns whether a job waits for its turn, although other jobs hold the node. */
  isNewcomer(handlerKey: string): boolean {
    return this.#lastRound !== null && !this.#lastRound.has(handlerKey) && !this.#served.has(handlerKey)
  }

  /** This node has stored work of a job that is due. The jobs of the last round have had their turn before a newcomer. */
  stored(handlerKey: string): void {
    if (!this.isNewcomer(handlerKey)) return
    for (const key of this.#lastRound ?? []) this.#served.add(key)
    this.#nextAt = this.#soonestAt
  }

  /** This node begins a run of a job. */
  served(handlerKey: string): void {
    this.#served.add(handlerKey)
    if (this.#served.size > mostInRound) this.clear()
  }

  /** A claim from all jobs leaves nothing, so no job waits for its turn. */
  clear(): void {
    this.#served.clear()
    this.#lastRound = null
  }

  /** A look has taken this many ms. */
  looked(hasFound: boolean, tookMs: number): void {
    const now = this.#clock.monotonic()
    this.#soonestAt = now + pauseFactor * tookMs
    this.#nextAt = this.#soonestAt
    if (hasFound) return
    if (this.#served.size === 1) this.#nextAt = Math.max(this.#soonestAt, now + pauseMs)
    this.#lastRound = this.#served
    this.#served = new Set()
  }
}
