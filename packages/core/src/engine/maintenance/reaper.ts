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
 * Finds the runs of owners that are dead, have ended or are too late, in three loops. `RunRelease` releases these runs.
 *
 * - The search for runs beyond their deadline, once per `reapInterval` (`#sweeps`). It also searches for owners without a
 *   node record, at most once per {@link passMs} unless node records are known to be missing.
 * - The takeover of runs of nodes that are dead or have ended, after each heartbeat while such nodes exist. It also takes
 *   over runs of calls of `runDue` that are over. Only in `sweepOnce`, such a call starts a takeover by itself.
 * - The search for runs of earlier lives of this node, after the start.
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
  /** Monotonic instant at which the repeated searches for runs of earlier lives end. */
  #looksAgainUntil = 0
  /** The last storage calls of an earlier life may take effect late. So these looks repeat as failed calls do. */
  #lookAgainInMs = firstRetryMs
  readonly #steps = new ClockSteps()
  /**
   * Whether the last takeover has found runs. If so, a further takeover shows whether the storage has released all these
   * runs.
   */
  #hasFoundRuns = false
  /** Whether the last takeover has released runs. */
  #hasReleasedRuns = false
  /** Dead nodes whose runs this node has released, with the instant of each death, until this node states the death. */
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

  /** Stops the loops. A search in progress ends after the page of running occurrences that it reads. */
  async stop(): Promise<void> {
    this.#runs.stop()
    await Promise.all([this.#sweeps.stop(), this.#takeovers.stop(), this.#looksAgain.stop()])
  }

  /**
   * Plans the next search for runs beyond their deadline, one interval from now. Called at the start of the node, and when the
   * node ends a rest.
   */
  start(): void {
    this.#steps.look(this.#engine)
    this.#setAlarm()
  }

  /**
   * For a call of `runDue`: searches once for runs beyond their deadline, and repeats the takeover until it releases no
   * run. Resolves when the search and the takeovers have ended.
   */
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
    // The second search shows whether the storage has released the runs that the first search found.
    if ((await this.#reapOwn({ isStart: true })) > 0) await this.#reapOwn({ isStart: true })
    if (this.#earlierLives.size === 0) return
    this.#looksAgainUntil = this.#engine.clock.monotonic() + deadAfterMs
    this.#looksAgain.runIn(this.#lookAgainInMs)
  }

  async #sweep(byAlarm: boolean): Promise<void> {
    const isStalled = this.#engine.clock.monotonic() - this.#dueAt > clockMarginMs
    this.#steps.look(this.#engine)
    try {
      // After a stall of this machine, an owner on this machine has one more interval to settle its runs.
      if (!isStalled && !this.#engine.isTimeInDoubt) await this.#reapOverdue()
      // In a call of `runDue`, no alarm starts this search. Such a call is too short to observe that an owner is silent.
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
   * Releases the runs of this node's earlier lives. If no run is left, the next heartbeat removes the records of these lives.
   * Returns the number of runs found. At the start of this node, each other owner with its name is an earlier life. Later, an
   * unknown owner may be a second node with the same name.
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
    // The owner of the run has twice the time for which it waits for an aborted handler.
    const deadlineBefore = this.#engine.now() - 2 * abortGraceMs
    await this.#runs.release({ deadlineBefore }, 'execution_timeout', (record) => {
      // If the clock was set forward since the start of a run, the run's deadline moves by the same amount.
      if ((record.deadlineAt ?? 0) + this.#steps.forwardSince(record.startedAt ?? 0) > deadlineBefore) return false
      const own = this.#options.pool.get(record.id)
      return own === undefined || own.occurrence.token !== record.token
    })
  }

  /**
   * Searches for owners without a node record, because the storage may have lost records. Reads the owners of all running
   * occurrences. An owner without a record counts as silent from now on, and as dead after `deadAfter`.
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
   * Releases the runs of nodes that are gone. If no run of a node is left, this node states the node's death in its record, or,
   * for an ended node, removes the record.
   */
  async #takeOver(): Promise<void> {
    const { peers } = this.#options.heartbeats
    this.#hasFoundRuns = false
    this.#hasReleasedRuns = false
    const gone = () => new Set([...peers.dead(), ...peers.ended(), ...peers.over(this.#engine.now())])
    for (const record of gone()) {
      this.#engine.now()
      if (this.#engine.isHeldBack || this.#sweeps.isStopped) return
      // Each node is checked again before its runs are released: it may have sent heartbeats again while this node
      // released the runs of another node.
      if (gone().has(record)) await this.#takeOverFrom(record, () => gone().has(record))
    }
    if (!this.#hasFoundRuns) await this.#stateDeaths()
  }

  async #takeOverFrom(record: NodeRecord, isGone: () => boolean): Promise<void> {
    const { heartbeats } = this.#options
    const { node, incarnation } = record
    // If this node knows the dead node only as an owner of runs, there is no record in which to state the death.
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
    // The storage may have rejected some releases. `Heartbeats.changed` starts another takeover after the next heartbeat.
    if (found > 0) this.#hasFoundRuns = true
    else if (!isComplete || !isGone()) return
    else if (!isDeath) heartbeats.forget(record)
    else if (!this.#deaths.has(incarnation)) await heartbeats.stateDeath(record, { since, takenOverBy: null })
  }

  /**
   * States in the records of dead nodes that this node took over their runs. The statement replaces the statement of a peer
   * that found no runs any more, and therefore named no successor.
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
