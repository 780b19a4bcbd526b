import type { NodeRecord } from '../../storage/node-record.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { ClockSteps } from '../time/clock-readings.ts'
import { type ReleaseParts, RunRelease } from './run-release.ts'
import { clockMarginMs, wakeDelayMs } from '../../tuning.ts'
import { graceMs, sweepsPerOwnerSearch } from './tuning.ts'

/**
 * Finds runs to release, in three loops. `RunRelease` releases them.
 * - A sweep, each `reapInterval`: runs beyond their deadline. Sometimes it also searches for owners without a node record.
 * - A takeover, after heartbeats: runs of nodes that are dead, have ended, or were calls of `runDue` that are over.
 * - Searches after the start: runs of earlier lives of this node.
 */
export class Reaper {
  readonly #engine: EngineContext
  readonly #options: ReleaseParts & { readonly intervalMs: number; readonly deadAfterMs: number }
  readonly #runs: RunRelease
  readonly #sweeps: BackgroundLoop
  readonly #takeovers: BackgroundLoop
  readonly #looksAgain: BackgroundLoop
  /** Incarnations that are earlier lives of this node. */
  readonly #earlierLives = new Set<string>()
  /** Their records, until no run of them is left. */
  #earlierRecords: readonly NodeRecord[] = []
  /** Monotonic instant at which the repeated looks for runs of earlier lives end. */
  #looksAgainUntil = 0
  #lookAgainInMs = wakeDelayMs
  readonly #steps = new ClockSteps()
  /** The last takeover has found runs. A further takeover shows whether the storage has released them all. */
  #hasFoundRuns = false
  /** The last takeover has released runs. */
  #hasReleasedRuns = false
  /** Dead nodes whose runs this node has released, and since when they are dead; until this node states the deaths. */
  readonly #deaths = new Map<string, { readonly record: NodeRecord; readonly since: number }>()
  #sweepsToOwnerSearch = sweepsPerOwnerSearch
  /** Monotonic instant at which the next sweep is due. */
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

  /** Begins no further round. A search in progress ends with its current page. */
  async stop(): Promise<void> {
    this.#runs.stop()
    await Promise.all([this.#sweeps.stop(), this.#takeovers.stop(), this.#looksAgain.stop()])
  }

  /** Plans the next sweep after an interval: at the start of the node, and when the node ends a rest. */
  start(): void {
    this.#steps.look(this.#engine)
    this.#setAlarm()
  }

  /** For a call of `runDue`: one sweep, and takeovers until one releases no run. Resolves when they are done. */
  async sweepOnce(): Promise<void> {
    this.#sweeps.run()
    do {
      this.#takeovers.run()
      await Promise.all([this.#sweeps.underWay, this.#takeovers.underWay])
    } while (this.#hasReleasedRuns && !this.#sweeps.isStopped)
  }

  /** Releases the runs of earlier lives of this node, before it starts. `records`: those of its name. */
  async reapEarlierLives(records: readonly NodeRecord[]): Promise<void> {
    const { deadAfterMs } = this.#options
    this.#earlierRecords = records
    for (const { incarnation } of records) this.#earlierLives.add(incarnation)
    // The second search finds runs that the storage has not released at the first attempt.
    if ((await this.#reapOwn({ isStart: true })) > 0) await this.#reapOwn({ isStart: true })
    if (this.#earlierLives.size === 0) return
    this.#looksAgainUntil = this.#engine.clock.monotonic() + deadAfterMs
    this.#looksAgain.runIn(this.#lookAgainInMs)
  }

  async #sweep(byAlarm: boolean): Promise<void> {
    const isStalled = this.#engine.clock.monotonic() - this.#dueAt > clockMarginMs
    this.#steps.look(this.#engine)
    try {
      // After a stall, an owner on this machine has one more interval to settle its runs.
      if (!isStalled && !this.#engine.isTimeInDoubt) await this.#reapOverdue()
      // A call of `runDue` sweeps without an alarm, and is too short to see that an owner is silent.
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
   * Releases the runs of earlier lives. If it finds none, the next heartbeat removes the records of these lives. Returns how
   * many runs it found. At the start of this node, each other owner with its name is an earlier life. Later, an unknown
   * owner may be a second node of this name.
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
    const deadlineBefore = this.#engine.now() - graceMs
    await this.#runs.release({ deadlineBefore }, 'execution_timeout', (record) => {
      // A clock that was set forward since the start of a run does not shorten its time.
      if ((record.deadlineAt ?? 0) + this.#steps.forwardSince(record.startedAt ?? 0) > deadlineBefore) return false
      const own = this.#options.pool.get(record.id)
      return own === undefined || own.occurrence.token !== record.token
    })
  }

  /**
   * Searches for owners without a node record, because the storage may have lost records: reads the owners of all running
   * occurrences. Such an owner counts as silent from now on, and as dead after `deadAfter`.
   */
  async #findOwners(): Promise<void> {
    const { peers } = this.#options.heartbeats
    this.#sweepsToOwnerSearch--
    if (!peers.takeGap() && this.#sweepsToOwnerSearch > 0) return
    this.#sweepsToOwnerSearch = sweepsPerOwnerSearch
    await this.#runs.eachRunning({ runs: false }, ({ items }) => {
      for (const { owner } of items) if (owner !== null) peers.expect(owner)
    })
  }

  /**
   * Releases the runs of nodes that are gone. If a search finds no run of a node, the node's death is stated in its record,
   * or, for an ended node, the record is removed.
   */
  async #takeOver(): Promise<void> {
    const { peers } = this.#options.heartbeats
    this.#hasFoundRuns = false
    this.#hasReleasedRuns = false
    const gone = () => new Set([...peers.dead(), ...peers.ended(), ...peers.over(this.#engine.now())])
    for (const record of gone()) {
      this.#engine.now()
      if (this.#engine.isHeldBack || this.#sweeps.isStopped) return
      // A node may send heartbeats again while this node releases the runs of another one.
      if (gone().has(record)) await this.#takeOverFrom(record, () => gone().has(record))
    }
    if (!this.#hasFoundRuns) await this.#stateDeaths()
  }

  async #takeOverFrom(record: NodeRecord, isGone: () => boolean): Promise<void> {
    const { heartbeats } = this.#options
    const { node, incarnation } = record
    // If this node knows the dead node by its runs alone, it has no record in which to state the death.
    const isDeath = heartbeats.peers.dead().includes(record) && Number.isFinite(record.counter)
    const since = heartbeats.deadSince(record)
    const { found, reaped, isComplete } = await this.#runs.release(
      { node },
      'node_lost',
      ({ owner }) => owner?.incarnation === incarnation && isGone(),
    )
    if (reaped > 0) {
      this.#hasReleasedRuns = true
      this.#engine.logger.warn({ node, incarnation, runs: reaped }, 'released the runs of a dead node')
    }
    if (isDeath && reaped > 0) this.#deaths.set(incarnation, { record, since })
    // The storage may not have released all of them. `Heartbeats.changed` starts another takeover after the next heartbeat.
    if (found > 0) this.#hasFoundRuns = true
    else if (!isComplete || !isGone()) return
    else if (!isDeath) heartbeats.forget(record)
    else if (!this.#deaths.has(incarnation)) await heartbeats.stateDeath(record, { since, takenOverBy: null })
  }

  /**
   * States in the records of dead nodes that this node took over their runs. This replaces a statement by another node that
   * found no run any more, and therefore named no successor.
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
