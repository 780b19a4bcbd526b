import type { NodeRecord } from '../../storage/node-record.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { ClockSteps } from '../time/clock-readings.ts'
import { type ReleaseParts, RunRelease } from './run-release.ts'
import { clockMarginMs } from '../../tuning.ts'
import { abortGraceMs } from '../execution/tuning.ts'
import { firstRetryMs } from '../storage-access/tuning.ts'
import { passMs } from './tuning.ts'

/**
 * Finds runs whose owner is dead, has ended, or has exceeded the run's deadline. `RunRelease` then reaps these runs. Three
 * loops search for them:
 * - `#sweeps` searches for runs beyond their deadline, once per `reapInterval`. At most once per {@link passMs}, it also
 *   searches for owners without a node record. If this node has noticed a missing node record, the next round makes this search
 *   too.
 * - `#takeovers` runs after each heartbeat while a node is dead or has ended. It takes over the runs of such nodes, and of
 *   calls of `runDue` that are over.
 * - `#looksAgain` repeats, after the start, the search for runs of earlier lives of this node.
 *
 * If this node is itself a call of `runDue`, only `sweepOnce` starts a takeover.
 */
export class Reaper {
  readonly #engine: EngineContext
  readonly #options: ReleaseParts & { readonly intervalMs: number; readonly deadAfterMs: number }
  readonly #runs: RunRelease
  readonly #sweeps: BackgroundLoop
  readonly #takeovers: BackgroundLoop
  readonly #looksAgain: BackgroundLoop
  /** Incarnations of the earlier lives of this node. */
  readonly #earlierLives = new Set<string>()
  /** The node records of this node's earlier lives, until none of their runs is left. */
  #earlierRecords: readonly NodeRecord[] = []
  /** Monotonic instant until which this node repeats its search for runs of its earlier lives. */
  #looksAgainUntil = 0
  /**
   * Milliseconds until the node repeats its search for runs of its earlier lives. It repeats the search, because the last
   * storage calls of an earlier life may take effect after the first search.
   */
  #lookAgainInMs = firstRetryMs
  readonly #steps = new ClockSteps()
  /** Whether the last takeover has found runs. If so, a further takeover checks whether those runs have been reaped. */
  #hasFoundRuns = false
  /** Whether the last takeover has reaped runs. */
  #hasReleasedRuns = false
  /** Dead nodes whose runs this node has reaped, until it has stored their death records. `since`: instant of the death. */
  readonly #deaths = new Map<string, { readonly record: NodeRecord; readonly since: number }>()
  /** Monotonic instant of the last search for owners without a node record. */
  #ownersSearchedAt = Number.NEGATIVE_INFINITY
  /** Monotonic instant at which the next search for runs beyond their deadline is due. */
  #dueAt = Number.POSITIVE_INFINITY

  constructor(engine: EngineContext, options: ReleaseParts & { intervalMs: number; deadAfterMs: number }) {
    this.#engine = engine
    this.#options = options
    this.#runs = new RunRelease(engine, options)
    this.#sweeps = new BackgroundLoop(engine, { name: 'reap', round: (byAlarm) => this.#sweep(byAlarm) })
    this.#takeovers = new BackgroundLoop(engine, { name: 'take over', round: () => this.#takeOver() })
    this.#looksAgain = new BackgroundLoop(engine, { name: 'take over own', round: () => this.#reloadLater() })
    const { changed, peers } = options.heartbeats
    changed.listen(() => {
      if (peers.dead().length + peers.ended().length + this.#deaths.size > 0) this.#takeovers.run()
    })
  }

  /** Stops the loops. A search in progress still reads its current page of running occurrences, and then ends. */
  async stop(): Promise<void> {
    this.#runs.stop()
    await Promise.all([this.#sweeps.stop(), this.#takeovers.stop(), this.#looksAgain.stop()])
  }

  /** Plans the next search for runs beyond their deadline, one interval from now. */
  start(): void {
    this.#steps.look(this.#engine)
    this.#setAlarm()
  }

  /** For a call of `runDue`: searches once for runs beyond their deadline, and repeats the takeover until it reaps no run. */
  async sweepOnce(): Promise<void> {
    this.#sweeps.run()
    do {
      this.#takeovers.run()
      await Promise.all([this.#sweeps.underWay, this.#takeovers.underWay])
    } while (this.#hasReleasedRuns && !this.#sweeps.isStopped)
  }

  /** Reaps the runs of earlier incarnations of this node before it starts. `records`: the node records with this node's name. */
  async reapEarlierLives(records: readonly NodeRecord[]): Promise<void> {
    const { deadAfterMs } = this.#options
    this.#earlierRecords = records
    for (const { incarnation } of records) this.#earlierLives.add(incarnation)
    // The second search shows whether all runs that the first search found have been reaped.
    if ((await this.#reapOwn({ isStart: true })) > 0) await this.#reapOwn({ isStart: true })
    if (this.#earlierLives.size === 0) return
    this.#looksAgainUntil = this.#engine.clock.monotonic() + deadAfterMs
    this.#looksAgain.runIn(this.#lookAgainInMs)
  }

  async #sweep(byAlarm: boolean): Promise<void> {
    const isStalled = this.#engine.clock.monotonic() - this.#dueAt > clockMarginMs
    this.#steps.look(this.#engine)
    try {
      // After a stall of this machine, leave out this search. Other owners on this machine were stalled too, and they get time
      // to settle their runs before the next search.
      if (!isStalled && !this.#engine.isTimeInDoubt) await this.#reapOverdue()
      // Only a round that an alarm starts makes this search. A call of `runDue` starts its round without an alarm. Such a call
      // is too short to observe that an owner is silent for `deadAfter`.
      if (byAlarm) await this.#findOwners()
    } finally {
      this.#setAlarm()
    }
  }

  #setAlarm(): void {
    const waitMs = this.#engine.untilNextLook(this.#options.intervalMs)
    this.#dueAt = this.#engine.clock.monotonic() + waitMs
    this.#sweeps.runIn(waitMs)
  }

  async #reloadLater(): Promise<void> {
    try {
      this.#engine.now()
      if (this.#engine.isHeldBack) return
      await this.#reapOwn({ isStart: false })
      this.#lookAgainInMs *= 2
    } finally {
      if (this.#engine.clock.monotonic() < this.#looksAgainUntil) this.#looksAgain.runIn(this.#lookAgainInMs)
    }
  }

  /**
   * Reaps the runs of this node's earlier lives. Returns the number of runs found.
   *
   * At the start, each other owner with this node's name is an earlier life of this node. Later, an unknown owner with this
   * name may be a second node, so this method does not reap its runs.
   */
  async #reapOwn({ isStart }: { readonly isStart: boolean }): Promise<number> {
    const { node, incarnation: own } = this.#engine.owner
    const { heartbeats } = this.#options
    const { found, isComplete } = await this.#runs.release({ node }, 'owner_restarted', ({ owner }) => {
      if (owner === null || owner.incarnation === own) return false
      if (isStart) this.#earlierLives.add(owner.incarnation)
      return this.#earlierLives.has(owner.incarnation)
    })
    if (found > 0 || !isComplete) return found
    for (const record of this.#earlierRecords) heartbeats.forget(record)
    this.#earlierRecords = []
    return 0
  }

  async #reapOverdue(): Promise<void> {
    // After the deadline, the owner has twice `abortGraceMs` to stop the handler and to store the end of the run.
    const deadlineBefore = this.#engine.now() - 2 * abortGraceMs
    await this.#runs.release({ deadlineBefore }, 'execution_timeout', (record) => {
      // If the clock was set forward since the start of a run, the run's deadline becomes later by the same amount.
      if ((record.deadlineAt ?? 0) + this.#steps.forwardSince(record.startedAt ?? 0) > deadlineBefore) return false
      const own = this.#options.pool.get(record.id)
      return own === undefined || own.occurrence.token !== record.token
    })
  }

  /**
   * Searches all running occurrences for owners without a node record. This node then waits for a heartbeat of such an owner,
   * for the longest `deadAfter` that this node knows. Without a heartbeat in this time, this node treats the owner as dead.
   */
  async #findOwners(): Promise<void> {
    const { peers } = this.#options.heartbeats
    const now = this.#engine.clock.monotonic()
    if (!peers.takeGap() && now < this.#ownersSearchedAt + passMs) return
    this.#ownersSearchedAt = now
    await this.#runs.eachRunning({ runs: false }, ({ items }) => {
      for (const { owner } of items) if (owner !== null) peers.expect(owner)
    })
  }

  /**
   * Reaps the runs of nodes that are dead or have ended. If a dead node has no run left, stores its death record. If an ended
   * node has no run left, removes its node record.
   */
  async #takeOver(): Promise<void> {
    const { peers } = this.#options.heartbeats
    this.#hasFoundRuns = false
    this.#hasReleasedRuns = false
    const gone = () => new Set([...peers.dead(), ...peers.ended(), ...peers.over(this.#engine.now())])
    for (const record of gone()) {
      this.#engine.now()
      if (this.#engine.isHeldBack || this.#sweeps.isStopped) return
      // Check each node again before its runs are reaped. While this node reaped the runs of one dead node, another dead node
      // may have sent heartbeats again.
      if (gone().has(record)) await this.#takeOverFrom(record, () => gone().has(record))
    }
    if (!this.#hasFoundRuns) await this.#stateDeaths()
  }

  async #takeOverFrom(record: NodeRecord, isGone: () => boolean): Promise<void> {
    const { heartbeats } = this.#options
    const { node, incarnation } = record
    // The death of a node without a node record cannot be stored.
    const isDeath = heartbeats.peers.dead().includes(record) && Number.isFinite(record.counter)
    const since = heartbeats.deadSince(record)
    const { found, reaped, isComplete } = await this.#runs.release(
      { node },
      'node_lost',
      ({ owner }) => owner?.incarnation === incarnation && isGone(),
    )
    if (reaped > 0) {
      this.#hasReleasedRuns = true
      this.#engine.logger.warn({ node, incarnation, runs: reaped }, 'took over the runs of a dead node')
    }
    if (isDeath && reaped > 0) this.#deaths.set(incarnation, { record, since })
    // Some of the found runs may not be reaped, because the storage may have rejected their items of `reap`. So another
    // takeover follows after the next heartbeat.
    if (found > 0) this.#hasFoundRuns = true
    else if (!isComplete || !isGone()) return
    else if (!isDeath) heartbeats.forget(record)
    else if (!this.#deaths.has(incarnation)) await heartbeats.stateDeath(record, { since, takenOverBy: null })
  }

  /**
   * Stores the death records of the nodes whose runs this node took over. These records name this node. A peer that found no
   * runs any more may already have stored a death record without a name. The record of this method replaces it.
   */
  async #stateDeaths(): Promise<void> {
    const { heartbeats } = this.#options
    for (const [incarnation, { record, since }] of this.#deaths) {
      this.#deaths.delete(incarnation)
      if (heartbeats.peers.living().some((living) => living.incarnation === incarnation)) continue
      await heartbeats.stateDeath(record, { since, takenOverBy: this.#engine.owner.node })
    }
  }
}
