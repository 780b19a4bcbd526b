import type { NodeRecord } from '../../storage/node-record.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { ClockSteps } from '../time/clock-steps.ts'
import { type ReleaseParts, RunRelease } from './run-release.ts'

/** Milliseconds beyond its deadline in which an owner may settle an occurrence: twice what a handler has to stop. */
const graceMs = 10_000

/**
 * Milliseconds until the first repeated look for runs of an earlier life: its last calls may take effect late. Each pause
 * is twice the one before, until that life would be dead for every node.
 */
const firstLookAgainMs = 250

/** A sweep that is this late, in ms, was delayed by a stall. Owners on this machine may have stalled too. */
const stallMs = 5000

/**
 * Sweeps between two searches for owners without a node record, unless records are known to be missing. With the default
 * `reapInterval` that is one hour. The search reads every running occurrence.
 */
const sweepsPerOwnerSearch = 240

/**
 * Releases runs whose owner is gone: its node is dead or has ended, or it was an earlier life of this node. Also releases
 * runs beyond their deadline.
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
  #lookAgainInMs = firstLookAgainMs
  readonly #steps = new ClockSteps()
  /** The last takeover has found runs: some of them may not have gone through. */
  #hasFoundRuns = false
  /** Dead nodes from which this node has taken runs, and since when they are dead. */
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
    this.#looksAgain = new BackgroundLoop(engine, { name: 'take over own', round: () => this.#lookAgain() })
    const { changed, peers } = options.heartbeats
    changed.listen(() => {
      if (peers.dead().length + peers.ended().length + this.#deaths.size > 0) this.#takeovers.run()
    })
  }

  /** Begins no further sweep. */
  async stop(): Promise<void> {
    this.#runs.stop()
    await Promise.all([this.#sweeps.stop(), this.#takeovers.stop(), this.#looksAgain.stop()])
  }

  /** The first sweep follows after an interval. */
  start(): void {
    this.#steps.look(this.#engine)
    this.#setAlarm()
  }

  /** Releases the runs whose owner is known to be gone; resolves when it is done. */
  async sweepOnce(): Promise<void> {
    this.#sweeps.run()
    do {
      this.#takeovers.run()
      await Promise.all([this.#sweeps.underWay, this.#takeovers.underWay])
    } while (this.#hasFoundRuns && !this.#sweeps.isStopped)
  }

  /** Releases the runs of earlier lives of this node, before it starts. `records`: those of its name. */
  async reapEarlierLives(records: readonly NodeRecord[]): Promise<void> {
    const { deadAfterMs } = this.#options
    this.#earlierRecords = records
    for (const { incarnation } of records) this.#earlierLives.add(incarnation)
    // A run that the second look still finds has not gone through.
    if ((await this.#reapOwn({ isStart: true })) > 0) await this.#reapOwn({ isStart: true })
    if (this.#earlierLives.size === 0) return
    this.#looksAgainUntil = this.#engine.clock.monotonic() + deadAfterMs
    this.#looksAgain.runIn(this.#lookAgainInMs)
  }

  async #sweep(byAlarm: boolean): Promise<void> {
    const isStalled = this.#engine.clock.monotonic() - this.#dueAt > stallMs
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

  async #lookAgain(): Promise<void> {
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
   * Releases the runs of earlier lives; if there are none, their records may go. Returns how many there were. At the start,
   * every owner of this node's name is an earlier life. Later it may be another node that is about to start.
   */
  async #reapOwn({ isStart }: { readonly isStart: boolean }): Promise<number> {
    const { node, incarnation: own } = this.#engine.owner
    const { heartbeats } = this.#options
    const { found } = await this.#runs.release({ node }, 'owner_restarted', ({ owner }) => {
      if (owner === null || owner.incarnation === own) return false
      if (isStart) this.#earlierLives.add(owner.incarnation)
      return this.#earlierLives.has(owner.incarnation)
    })
    if (found > 0) return found
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
   * Reads the owners of all running occurrences, because the storage may have lost node records. An owner without a record
   * counts as silent from now on, and as dead after `deadAfter`.
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

  /** Releases the runs of nodes that are dead or have ended, and forgets each node of which no run is left. */
  async #takeOver(): Promise<void> {
    const { peers } = this.#options.heartbeats
    this.#hasFoundRuns = false
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
    // If this node knows the dead node by its runs alone, there is no record to state the death in.
    const isDeath = heartbeats.peers.dead().includes(record) && Number.isFinite(record.counter)
    const since = heartbeats.deadSince(record)
    const { found, reaped } = await this.#runs.release(
      { node },
      'node_lost',
      ({ owner }) => owner?.incarnation === incarnation && isGone(),
    )
    if (reaped > 0) {
      this.#engine.logger.warn({ node, incarnation, runs: reaped }, 'released runs of a node that is gone')
    }
    if (isDeath && reaped > 0) this.#deaths.set(incarnation, { record, since })
    // The next heartbeat leads to another look: a release may not have gone through.
    if (found > 0) this.#hasFoundRuns = true
    else if (!isGone()) return
    else if (!isDeath) heartbeats.forget(record)
    else if (!this.#deaths.has(incarnation)) await heartbeats.stateDeath(record, { since, takenOverBy: null })
  }

  /** States that this node took over the runs of dead nodes. Another node may have stated a death without a successor. */
  async #stateDeaths(): Promise<void> {
    const { heartbeats } = this.#options
    for (const [incarnation, { record, since }] of this.#deaths) {
      this.#deaths.delete(incarnation)
      if (heartbeats.peers.living().some((living) => living.incarnation === incarnation)) continue
      await heartbeats.stateDeath(record, { since, takenOverBy: this.#engine.owner.node })
    }
  }
}
