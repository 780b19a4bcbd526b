import type { Clock } from '../../clock.ts'

/**
 * Milliseconds until the next look, if the last look left out a single job and found no other. A newcomer makes the next look
 * earlier.
 */
const pauseMs = 1000

/** Looks take at most 1/20 of the time, because a storage may read all waiting work of the busy jobs during a look. */
const pauseFactor = 20

/** Jobs per round, at most. Among more jobs, none holds most of the node. */
const mostInRound = 100

/** Runs of a job that make up its turn. In shorter backlogs a claim takes the oldest work of all jobs. */
const runsPerTurn = 10

/**
 * Gives each job with waiting work its turn while more waits in the storage than this node has room for. A claim takes
 * the oldest work first, so thousands of requests of one job would delay all other jobs.
 *
 * Turns go in rounds. A job has had its turn when this node has begun {@link runsPerTurn} runs of it in the round. A look
 * is a claim that leaves out the jobs that have had their turn. The round ends with the look that finds nothing; the next
 * claim takes from all jobs.
 *
 * Priority has precedence. Claims never leave out a job with a priority above 0. After a run with a priority below 0 has
 * begun, its round has no further looks.
 *
 * A handler key identifies a job here. Jobs whose tasks name the same handlers share a turn.
 */
export class FairTurns {
  readonly #clock: Pick<Clock, 'monotonic'>
  /** Runs that this node has begun in this round, by handler key. */
  #begun = new Map<string, number>()
  #hasLowPriority = false
  /** Handler keys of the jobs that had their turn in the last round; `null`: unknown. */
  #lastRound: ReadonlySet<string> | null = null
  /** Monotonic instants: of the next look, and of the first that the cost of the last look allows. */
  #nextAt = Number.NEGATIVE_INFINITY
  #soonestAt = Number.NEGATIVE_INFINITY

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Handler keys that the next claim leaves out; `null`: the claim takes from all jobs. */
  leftOut(): readonly string[] | null {
    if (this.#hasLowPriority || this.#clock.monotonic() < this.#nextAt) return null
    const served = this.#served()
    return served.length === 0 ? null : served
  }

  /**
   * Returns whether the job is a newcomer: it had no turn in the last round, and has had none in this round. Before the first
   * round has ended, no job is a newcomer.
   */
  isNewcomer(handlerKey: string): boolean {
    return this.#lastRound !== null && !this.#lastRound.has(handlerKey) && !this.#hasHadTurn(handlerKey)
  }

  /**
   * This node has stored due work of a job. If the job is a newcomer, the jobs of the last round count as served, so that the
   * next look leaves them out.
   */
  stored(handlerKey: string): void {
    if (!this.isNewcomer(handlerKey)) return
    for (const key of this.#lastRound ?? []) this.#begun.set(key, runsPerTurn)
    this.#nextAt = this.#soonestAt
  }

  /** This node begins a run of a job. */
  begun(handlerKey: string, priority: number): void {
    if (priority < 0) this.#hasLowPriority = true
    if (priority > 0) return
    this.#begun.set(handlerKey, (this.#begun.get(handlerKey) ?? 0) + 1)
    if (this.#begun.size > mostInRound) this.clear()
  }

  /** A claim from all jobs leaves nothing, so no job waits for its turn. */
  clear(): void {
    this.#begun.clear()
    this.#hasLowPriority = false
    this.#lastRound = null
  }

  /** Records a look. `tookMs`: the duration of the storage call. */
  looked(hasFound: boolean, tookMs: number): void {
    const now = this.#clock.monotonic()
    this.#soonestAt = now + pauseFactor * tookMs
    this.#nextAt = this.#soonestAt
    if (hasFound) return
    const served = this.#served()
    if (served.length === 1) this.#nextAt = Math.max(this.#soonestAt, now + pauseMs)
    this.#lastRound = new Set(served)
    this.#begun.clear()
  }

  #hasHadTurn(handlerKey: string): boolean {
    return (this.#begun.get(handlerKey) ?? 0) >= runsPerTurn
  }

  #served(): readonly string[] {
    return [...this.#begun.keys()].filter((key) => this.#hasHadTurn(key))
  }
}
