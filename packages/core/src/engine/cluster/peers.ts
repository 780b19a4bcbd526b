import type { NodeRecord, NodeProfile } from '../../storage/node-record.ts'
import type { Owner } from '../../storage/occurrence-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { hasRecord, isDead, newsOf, nextState, type PeerEvent, type PeerState } from './peer-states.ts'
import { clockMarginMs, rememberedValues, dayMs } from '../../tuning.ts'
import { answersWithin, interruptedFactor, leastLooks, mostDeadKept } from './tuning.ts'

/** Another node, as this node has observed it through its record. */
export interface Peer {
  record: NodeRecord
  state: PeerState
  /** Monotonic instant from which the peer's silence counts: its last heartbeat, or a later restart of the observation. */
  since: number
  /** Monotonic instant of the peer's last heartbeat, or of the first read of its record. */
  heardAt: number
  /**
   * Time in ms since the peer's last heartbeat, counted only while the storage answers this node. An outage of the storage adds
   * nothing and does not reset the value.
   */
  connectedMs: number
  /** Whether this node has seen the peer's counter grow. Before that, the peer's record may be of any age. */
  isProven: boolean
}

/** Counter of a peer that is known only as the owner of a run. The value is below every counter that a node writes. */
const unrecordedCounter = Number.NEGATIVE_INFINITY

type PeersContext = Pick<EngineContext, 'clock' | 'events' | 'logger' | 'owner'>

/**
 * The other nodes, each as a state machine (`peer-states.ts`) whose events come from looks. A node is dead when its counter has
 * stood still for its `deadAfter`, by the monotonic clock of this node.
 *
 * These rules keep an outage of the storage from making a node dead:
 * - A failed heartbeat and a stall of this node restart the observation of the nodes.
 * - Connected silence is the part of the silence in which the storage answered this node. Each answered look adds at most one
 *   heartbeat interval to it.
 * - If outages restart the observation repeatedly, a node is dead after 1.5 × `deadAfter` of connected silence.
 */
export class Peers {
  readonly #engine: PeersContext
  readonly #silence: { readonly heartbeatMs: number; readonly deadAfterMs: number }
  readonly #peers = new Map<string, Peer>()
  /**
   * Incarnations that this node forgot when their records disappeared without a shutdown. If such a record reappears, this
   * node had declared a living node dead.
   */
  readonly #buried = new Set<string>()
  /** Whether the next look restarts the measurement of the silence of all peers. */
  #restarts = true
  #isQuiet = false
  /** Whether node records may have vanished since the last call of {@link takeGap}. */
  #hasGap = true
  /** Monotonic instant of the last answer to a look. */
  #lookedAt = Number.NEGATIVE_INFINITY
  /** Monotonic instant at which the newest answered look was requested. */
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(engine: PeersContext, silence: { readonly heartbeatMs: number; readonly deadAfterMs: number }) {
    this.#engine = engine
    this.#silence = silence
  }

  /** Whether this node observes no other node. A node that this node knows only by a death record does not count. */
  get isEmpty(): boolean {
    return this.#peers.size === 0
  }

  get(incarnation: string): Readonly<Peer> | undefined {
    return this.#peers.get(incarnation)
  }

  /** Returns for how long a peer has been silent, in ms, counted from `Peer.since`. Returns 0 for an unknown peer. */
  silentForMs(incarnation: string): number {
    const now = this.#engine.clock.monotonic()
    return now - (this.#peers.get(incarnation)?.since ?? now)
  }

  /**
   * Returns the living nodes that are not leaving. A node whose record disappeared counts as living until this node declares
   * it dead, or reads a record of a later life.
   */
  living(): readonly NodeRecord[] {
    return this.#records(({ state, record }) => {
      if (record.leaving) return false
      return state === 'present' || state === 'settled' || (state === 'absent' && !this.hasOtherLife(record))
    })
  }

  /** Returns the dead nodes whose runs may not have been reaped yet. */
  dead(): readonly NodeRecord[] {
    return this.#records(({ state }) => isDead(state))
  }

  /**
   * Returns the nodes that shut down at least one `deadAfter` ago. In this time, every other node could read that the node has
   * ended.
   *
   * The reaper searches for runs of these nodes, because an ended node may own runs that it never learned of. The reason: the
   * storage may have executed a claim of the node twice, or only after the node's shutdown.
   */
  ended(): readonly NodeRecord[] {
    const before = this.#engine.clock.monotonic() - this.#silence.deadAfterMs
    return this.#records(({ state, since }) => state === 'ended' && since <= before)
  }

  /**
   * Returns the calls of `runDue` whose stated end lies more than a margin before `now`. This node does not wait for the
   * silence of these calls: it may itself be a call, which is too short to observe another call's silence. See decision 15.
   */
  over(now: number): readonly NodeRecord[] {
    return this.#records(({ record }) => overAtOf(record) < now)
  }

  /** Returns the first instant at which {@link over} includes a call that it does not include yet; infinite: no such call. */
  nextOverAt(now: number): number {
    return Math.min(...this.#records(({ record }) => overAtOf(record) >= now).map(overAtOf)) + 1
  }

  /**
   * Returns whether node records may have vanished since the last call of this method. The caller then searches for owners
   * without a record.
   */
  takeGap(): boolean {
    const hasGap = this.#hasGap
    this.#hasGap = false
    return hasGap
  }

  /**
   * Records the owner of a run as a peer. If this node knows no record of the owner's incarnation, the silence of the owner
   * begins now.
   */
  expect({ node, incarnation }: Owner): void {
    if (incarnation === this.#engine.owner.incarnation || this.#peers.has(incarnation)) return
    // This node does not know the `deadAfter` of the owner. The owner may be a living node whose record has vanished.
    // So this node uses the longest `deadAfter` that it knows.
    const known = [...this.#peers.values()].map(({ record }) => deadAfterOf(record) ?? 0)
    const about = { deadAfterMs: Math.max(this.#silence.deadAfterMs, ...known) }
    const record = { node, incarnation, counter: unrecordedCounter, startedAt: 0, leaving: false, about }
    this.#move(peerOf(record, this.#engine.clock.monotonic()), 'owns')
  }

  /**
   * Called when the reaper found no run of an incarnation. Returns whether the storage may have a record of the
   * incarnation. Such a record must be removed.
   */
  settle(incarnation: string): boolean {
    const peer = this.#peers.get(incarnation)
    if (peer === undefined) return true
    return this.#move(peer, 'settled') !== 'unknown'
  }

  /** Makes the next look restart the measurement of the silence of all peers. Called after a failed heartbeat. */
  beginAnew(): void {
    this.#restarts = true
  }

  /**
   * Applies the node records that a look has read. `askedAt` is the monotonic instant of the request. `isQuiet`: this
   * process is no node, so it neither logs nor emits events. Returns whether the members of the cluster or their code have
   * changed.
   */
  observe(
    records: readonly NodeRecord[],
    askedAt: number,
    { isQuiet = false }: { readonly isQuiet?: boolean } = {},
  ): boolean {
    this.#isQuiet = isQuiet
    // A newer answer has already arrived. This older answer may lack nodes that have started since, so this node ignores it.
    if (askedAt < this.#askedAt) return false
    this.#askedAt = askedAt
    const answeredAt = this.#engine.clock.monotonic()
    // The request was sent before the previous answer came, and may have read older records. So a missing record proves
    // nothing.
    const isOverlapping = askedAt < this.#lookedAt
    this.#pass(answeredAt)
    let hasChanged = false
    const missing = new Map(this.#peers)
    for (const record of records) {
      const { incarnation } = record
      if (incarnation === this.#engine.owner.incarnation) continue
      if (deathOf(record) === null) {
        missing.delete(incarnation)
        if (this.#see(record, askedAt, answeredAt)) hasChanged = true
      } else if (!isOverlapping) {
        const peer = missing.get(incarnation)
        if (peer === undefined) continue
        missing.delete(incarnation)
        // `unrecordedCounter`: this node knows the peer only as the owner of a run. The node that stated the peer's death may
        // not have found that run. So this node handles the event as `silent`, and the peer stays dead until the run is reaped.
        const before = peer.state
        this.#move(peer, peer.record.counter === unrecordedCounter ? 'silent' : 'stated')
        hasChanged ||= peer.state !== before
      }
    }
    if (isOverlapping) return hasChanged
    for (const peer of missing.values()) {
      const before = peer.state
      if (this.#move(peer, 'missed') !== before) this.#hasGap ||= peer.state !== 'unknown'
      this.#judge(peer, askedAt)
      if (peer.state !== before) hasChanged = true
    }
    return hasChanged
  }

  /**
   * Adds the time since the last look to the observation of peers. Restarts the observation after a failed heartbeat or a
   * stall.
   */
  #pass(now: number): void {
    const { heartbeatMs } = this.#silence
    const gapMs = now - this.#lookedAt
    // A longer gap between two looks means that this node was stalled.
    const restarts = this.#restarts || gapMs > (answersWithin + 1) * heartbeatMs
    this.#hasGap ||= restarts
    // Before the first look, the gap between two looks is infinite. Such a gap adds no connected time.
    const connectedMs = Number.isFinite(gapMs) ? Math.min(gapMs, heartbeatMs) : 0
    for (const peer of this.#peers.values()) {
      peer.connectedMs += connectedMs
      if (restarts && !isDead(peer.state)) peer.since = now
    }
    this.#restarts = false
    this.#lookedAt = now
  }

  /** Applies one node record. Returns whether the members of the cluster or their code have changed. */
  #see(record: NodeRecord, askedAt: number, answeredAt: number): boolean {
    const peer = this.#peers.get(record.incarnation) ?? peerOf(record, answeredAt)
    const { state, record: before, isProven } = peer
    const hasMoved = record.counter !== before.counter
    const wasBuried = this.#buried.delete(record.incarnation)
    if (hasMoved) {
      peer.isProven = state !== 'unrecorded'
      Object.assign(peer, { record, since: answeredAt, heardAt: answeredAt, connectedMs: 0 })
    }
    const isRevived = wasBuried || (hasMoved && isDead(state))
    if (isRevived) peer.isProven = true
    this.#move(peer, hasEnded(record) ? 'ended' : hasMoved ? 'beat' : 'read')
    this.#judge(peer, askedAt)
    if (wasBuried && !isDead(state)) this.#sayRevived(record)
    const isNew = hasMoved && peer.isProven && !isProven && !isRevived && !record.leaving
    if (isNew && !this.#isQuiet) this.#engine.events.emit('node.joined', namesOf(record))
    const leaves = record.leaving && !before.leaving && peer.isProven
    if (leaves && !this.#isQuiet) this.#engine.events.emit('node.left', namesOf(record))
    const hasStarted = record.counter > 0 && before.counter <= 0
    const isOther = record.about.code !== before.about.code || record.leaving !== before.leaving
    return state !== peer.state || isProven !== peer.isProven || (hasMoved && (hasStarted || isOther))
  }

  /** Declares a peer dead if the peer has been silent for its `deadAfter`. */
  #judge(peer: Peer, askedAt: number): void {
    const { deadAfterMs, heartbeatMs } = this.#silence
    // The minimum also applies if the peer's record states a shorter `deadAfter`. The reason: during an outage of the storage, no
    // node can send heartbeats. If the outage begins and ends between two looks, this node does not notice it. Without the
    // minimum, this node could then declare a living node dead.
    const limitMs = Math.max(deadAfterOf(peer.record) ?? deadAfterMs, leastLooks * heartbeatMs)
    const isSilent = askedAt - peer.since >= limitMs || peer.connectedMs >= interruptedFactor * limitMs
    if (isSilent && peer.state !== 'unknown') this.#move(peer, 'silent')
  }

  /**
   * Changes a peer's state by the transition table, keeps or forgets the peer, and reports what {@link newsOf} returns.
   * Returns the peer's new state.
   */
  #move(peer: Peer, event: PeerEvent): PeerState {
    const { state, record } = peer
    const news = newsOf(state, event)
    peer.state = nextState(state, event)
    if (peer.state !== 'unknown') this.#peers.set(record.incarnation, peer)
    else if (this.#peers.delete(record.incarnation) && state !== 'ended') {
      if (this.#buried.size >= rememberedValues) this.#buried.clear()
      this.#buried.add(record.incarnation)
    }
    if (news === 'lost') this.#sayLost(peer)
    else if (news === 'revived') this.#sayRevived(record)
    return peer.state
  }

  /** Returns whether the last look found a record of another life of this node. */
  hasOtherLife({ node, incarnation: own }: NodeRecord): boolean {
    return this.#records(({ state }) => hasRecord(state)).some((it) => it.node === node && it.incarnation !== own)
  }

  #records(isWanted: (peer: Peer) => boolean): readonly NodeRecord[] {
    return [...this.#peers.values()].filter(isWanted).map(({ record }) => record)
  }

  #sayRevived(record: NodeRecord): void {
    if (this.#isQuiet) return
    const names = namesOf(record)
    this.#engine.logger.warn(names, 'a node that was declared dead is alive')
    this.#engine.events.emit('node.joined', names)
  }

  #sayLost({ record, heardAt }: Peer): void {
    if (this.#isQuiet) return
    const { clock, events, logger } = this.#engine
    const names = namesOf(record)
    const silentForMs = Math.round(clock.monotonic() - heardAt)
    events.emit('node.lost', { ...names, silentForMs })
    // A node that has restarted under its `nodeId` has already taken over the runs of its earlier life. The counter of a node
    // that still starts is at most 0.
    const isSameNode = (peer: Peer) =>
      peer.record.node === record.node && peer.state === 'present' && peer.record.counter > 0
    logger[this.#records(isSameNode).length > 0 ? 'info' : 'warn'](
      { ...names, silentForMs },
      'node declared dead; taking over its runs',
    )
  }
}

function peerOf(record: NodeRecord, since: number): Peer {
  return { record, state: 'unknown', since, heardAt: since, connectedMs: 0, isProven: false }
}

function namesOf({ node, incarnation }: NodeRecord) {
  return { node, incarnation }
}

/** What a node tells other nodes about its code: a profile and a digest. */
export interface NodeCode {
  /** The profile of the node; `null` if the profile is too large to store. */
  readonly profile: NodeProfile | null
  /** The digest of the node's code. Nodes with the same code and definitions have equal digests. */
  readonly digest: string
}

/**
 * The death of a node, as its record states it. Nodes remove the record after a day, or earlier if the node starts again or
 * more than 20 deaths are stored.
 */
export interface NodeDeath {
  /**
   * The instant from which the observing node counts the silence of the dead node. This is the last heartbeat, or the end of
   * a later outage of the storage.
   */
  readonly since: Date
  /** The node that took over the runs of the dead node. `null` before the takeover, and if the dead node had no runs. */
  readonly takenOverBy: string | null
}

/** Returns the `deadAfter` of a node in ms, as its record states it; `null` if the record states none. */
function deadAfterOf({ about: { deadAfterMs } }: Pick<NodeRecord, 'about'>): number | null {
  return typeof deadAfterMs === 'number' ? deadAfterMs : null
}

/** Returns the end of a call of `runDue`, in epoch ms, as its record states it; `null` for a node that is no such call. */
export function callEndsAtOf({ about: { callEndsAt } }: Pick<NodeRecord, 'about'>): number | null {
  return typeof callEndsAt === 'number' ? callEndsAt : null
}

/** Returns the instant after which the runs of a call of `runDue` can be taken over; infinite for a node that is no such call. */
function overAtOf(record: NodeRecord): number {
  return (callEndsAtOf(record) ?? Number.POSITIVE_INFINITY) + clockMarginMs
}

/** Returns whether a node record says that its node has shut down. */
export function hasEnded({ about }: Pick<NodeRecord, 'about'>): boolean {
  return about.ended === true
}

/** The form in which a node record stores the death of its node. */
interface StoredDeath {
  readonly since: number
  readonly takenOverBy: string | null
}

/**
 * Returns the death that a node record states. Returns `null` if the record states no death, or if this node cannot read the
 * stated death.
 */
export function deathOf({ about: { dead } }: Pick<NodeRecord, 'about'>): NodeDeath | null {
  const { since, takenOverBy } = Object(dead) as Partial<StoredDeath>
  if (typeof since !== 'number') return null
  return { since: new Date(since), takenOverBy: takenOverBy ?? null }
}

/**
 * Returns the record that states the death of a node. `Heartbeats.stateDeath` removes the record of the node's last heartbeat,
 * and stores this record in its place.
 *
 * Of two records of a node, a storage keeps the record with the larger counter. So these records have ascending counters:
 * - the death record that names no node that took over
 * - the death record that names the node that took over: it replaces the first record
 * - the next heartbeat of a node that lives after all: it replaces both death records
 */
export function recordOfDead(record: NodeRecord, { since, takenOverBy }: StoredDeath): NodeRecord {
  const dead = { since, takenOverBy }
  const counter = record.counter - (takenOverBy === null ? 2 : 1)
  return { ...record, counter, leaving: true, about: { ...record.about, ended: true, dead } }
}

/** Returns the death records to remove: records older than a day, and all but the newest 20. */
export function outdatedDeaths(records: readonly NodeRecord[], now: number): readonly NodeRecord[] {
  const since = (record: NodeRecord): number => deathOf(record)?.since.getTime() ?? 0
  const newestFirst = records
    .filter((record) => deathOf(record) !== null)
    .sort((one, other) => since(other) - since(one))
  return newestFirst.filter((record, index) => index >= mostDeadKept || since(record) <= now - dayMs)
}
