import type { NodeRecord } from '../../storage/node-record.ts'
import { BackgroundLoop } from '../runtime/background-loop.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { type ReleaseParts, RunRelease } from './run-release.ts'
import { clockMarginMs, maxClockSkewMs, rememberedValues } from '../../tuning.ts'
import { abortGraceMs } from '../execution/tuning.ts'
import { passMs } from './tuning.ts'

/**
 * Finds runs whose owner is dead, has ended, or has exceeded the run's deadline. `RunRelease` then reaps these runs. Two loops
 * search for them:
 * - `#sweeps` searches for runs beyond their deadline, once per `reapInterval`. At most once per {@link passMs}, it also
 *   searches for owners without a node record. If this node has noticed a missing node record, the next round makes this search
 *   too.
 * - `#takeovers` runs after each heartbeat while a node is dead or has ended. It takes over the runs of such nodes, and of
 *   calls of `runDue` that are over.
 *
 * If this node is itself a call of `runDue`, only `sweepOnce` starts a takeover.
 */
export class Reaper {
  readonly #engine: EngineContext
  readonly #options: ReleaseParts & { readonly intervalMs: number }
  readonly #runs: RunRelease
  readonly #sweeps: BackgroundLoop
  readonly #takeovers: BackgroundLoop
  /** The engine's time minus the monotonic clock at the last round, in ms. */
  #difference = Number.NaN
  /** The last forward steps of the engine's time, each with the instant after the step, in epoch ms. */
  #steps: readonly { readonly at: number; readonly byMs: number }[] = []
  /** Monotonic instant of the last search for owners without a node record. */
  #ownersSearchedAt = Number.NEGATIVE_INFINITY
  /** Monotonic instant at which the next search for runs beyond their deadline is due. */
  #dueAt = Number.POSITIVE_INFINITY

  constructor(engine: EngineContext, options: ReleaseParts & { intervalMs: number }) {
    this.#engine = engine
    this.#options = options
    this.#runs = new RunRelease(engine, options)
    this.#sweeps = new BackgroundLoop(engine, { name: 'reap', round: (byAlarm) => this.#sweep(byAlarm) })
    this.#takeovers = new BackgroundLoop(engine, { name: 'take over', round: () => this.#takeOver() })
    const { changed, peers } = options.heartbeats
    changed.listen(() => {
      if (peers.dead().length + peers.ended().length > 0) this.#takeovers.run()
    })
  }

  /** Stops the loops. A search in progress still reads its current page of running occurrences, and then ends. */
  async stop(): Promise<void> {
    this.#runs.stop()
    await Promise.all([this.#sweeps.stop(), this.#takeovers.stop()])
  }

  /** Plans the next search for runs beyond their deadline, one interval from now. */
  start(): void {
    this.#lookForStep()
    this.#setAlarm()
  }

  /** For a call of `runDue`: searches once for runs beyond their deadline, and for runs of nodes that are dead or have ended. */
  async sweepOnce(): Promise<void> {
    this.#sweeps.run()
    this.#takeovers.run()
    await Promise.all([this.#sweeps.underWay, this.#takeovers.underWay])
  }

  /**
   * Reaps the runs of earlier incarnations of this node before it starts. `records`: the node records with this node's name.
   *
   * Each owner with this node's name is an earlier life of this node. The last storage call of an earlier life may take effect
   * after this search. The search for owners without a node record then finds the run.
   */
  async reapEarlierLives(records: readonly NodeRecord[]): Promise<void> {
    const { node } = this.#engine.owner
    // A further search shows whether all runs that the first search found have been reaped.
    for (let search = 0; search < 2; search++) {
      const { found, isComplete } = await this.#runs.release({ node }, 'owner_restarted', ({ owner }) => owner !== null)
      if (found > 0 || !isComplete) continue
      for (const record of records) this.#options.heartbeats.forget(record)
      return
    }
  }

  async #sweep(byAlarm: boolean): Promise<void> {
    const isStalled = this.#engine.clock.monotonic() - this.#dueAt > clockMarginMs
    this.#lookForStep()
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

  /** Notices that the engine's time has stepped, relative to the monotonic clock. */
  #lookForStep(): void {
    const now = this.#engine.now()
    const difference = now - this.#engine.clock.monotonic()
    const byMs = difference - this.#difference
    this.#difference = difference
    // `byMs` is NaN in the first sweep.
    if (!(Math.abs(byMs) > maxClockSkewMs)) return
    this.#engine.logger.warn({ byMs }, 'the wall clock of this node was set')
    this.#steps = [...this.#steps, { at: now, byMs }].slice(-rememberedValues)
  }

  #setAlarm(): void {
    const waitMs = this.#engine.untilNextLook(this.#options.intervalMs)
    this.#dueAt = this.#engine.clock.monotonic() + waitMs
    this.#sweeps.runIn(waitMs)
  }

  async #reapOverdue(): Promise<void> {
    // After the deadline, the owner has twice `abortGraceMs` to stop the handler and to store the end of the run.
    const deadlineBefore = this.#engine.now() - 2 * abortGraceMs
    await this.#runs.release({ deadlineBefore }, 'execution_timeout', (record) => {
      // If the time stepped forward after the start of a run, the run looks older than it is by the steps.
      // The run started before a step if its start is no later than the lower time that the clock showed at the step.
      const later = this.#steps.filter(({ at, byMs }) => (record.startedAt ?? 0) <= at - Math.max(0, byMs))
      const steppedMs = later.reduce((sum, { byMs }) => sum + byMs, 0)
      if ((record.deadlineAt ?? 0) + Math.max(0, steppedMs) > deadlineBefore) return false
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
    const gone = () => new Set([...peers.dead(), ...peers.ended(), ...peers.over(this.#engine.now())])
    for (const record of gone()) {
      this.#engine.now()
      if (this.#engine.isHeldBack || this.#sweeps.isStopped) return
      // Check each node again before its runs are reaped. While this node reaped the runs of one dead node, another dead node
      // may have sent heartbeats again.
      if (gone().has(record)) await this.#takeOverFrom(record, () => gone().has(record))
    }
  }

  async #takeOverFrom(record: NodeRecord, isGone: () => boolean): Promise<void> {
    const { heartbeats } = this.#options
    const { node, incarnation } = record
    // The death of a node without a node record cannot be stored.
    const isDeath = heartbeats.peers.dead().includes(record) && Number.isFinite(record.counter)
    const since = heartbeats.deadSince(record)
    const search = () =>
      this.#runs.release({ node }, 'node_lost', ({ owner }) => owner?.incarnation === incarnation && isGone())
    let left = await search()
    const { reaped: runs } = left
    if (runs > 0) {
      this.#engine.logger.warn({ node, incarnation, runs }, 'took over the runs of a dead node')
      left = await search()
    }
    // The storage may have rejected the release of a run. Then another takeover follows after the next heartbeat.
    if (left.found > 0 || !left.isComplete || !isGone()) return
    // A node that has restarted has removed the record of its earlier life, which may have shut down properly.
    if (!isDeath || (runs === 0 && heartbeats.peers.hasOtherLife(record))) heartbeats.forget(record)
    // A peer that found no runs may already have stored a death record without a name. This record replaces it.
    else await heartbeats.stateDeath(record, { since, takenOverBy: runs > 0 ? this.#engine.owner.node : null })
  }
}
