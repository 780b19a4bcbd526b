import type { NodeRecord } from '../../storage/node-record.ts'
import type { Owner } from '../../storage/occurrence-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { callEndsAtOf, deadAfterOf, deathOf, hasEnded, timeZoneVersion, timeZoneVersionOf } from './peer-record.ts'
import { hasRecord, isDead, newsOf, nextState, type PeerEvent, type PeerState } from './peer-states.ts'
import { clockMarginMs, rememberedValues } from '../../tuning.ts'
import { interruptedFactor } from './tuning.ts'

/** Another node, as this node has observed it. */
export interface Peer {
  record: NodeRecord
  state: PeerState
  /** Monotonic instant from which its silence counts: its last heartbeat, or a later restart of the observation. */
  since: number
  /** Monotonic instant at which its counter last moved, or at which this node first read its record. Never restarted. */
  heardAt: number
  /** How long this node has been connected to the storage since that instant, in ms. Outages do not reset it. */
  connectedMs: number
  /** This node has seen its counter move. Before that, the record may be of any age. */
  isProven: boolean
}

interface Silence {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
  /** Maximum distance between two looks, in ms. A larger one means that this node stood still. */
  readonly longestGapMs: number
  /**
   * Minimum silence of a dead node, in ms, even if its record states a shorter `deadAfter`: the storage may have been
   * unavailable between two looks.
   */
  readonly leastSilenceMs: number
}

/** Counter of an owner without a node record: below every counter that a node writes. */
const unrecordedCounter = Number.NEGATIVE_INFINITY

type PeersContext = Pick<EngineContext, 'clock' | 'events' | 'logger' | 'owner'>

/**
 * The other nodes, each as a state machine (`peer-states.ts`) that looks feed. A node is dead when its counter has stood still
 * for its `deadAfter`, measured by the monotonic clock of this node. Clocks of other nodes do not count.
 *
 * A failed heartbeat and a stall of this node restart the observation of all nodes that are not dead yet: an outage of the
 * storage alone kills no node. To bound the delay that repeated outages cause, a node is also dead after 1.5 × `deadAfter`
 * of connected silence. Each answered look adds the time since the previous look, for one heartbeat interval at most.
 */
export class Peers {
  readonly #engine: PeersContext
  readonly #silence: Silence
  readonly #peers = new Map<string, Peer>()
  /**
   * Incarnations that this node forgot because they were gone without a shutdown. If such a record reappears, this node took
   * a living node for dead.
   */
  readonly #buried = new Set<string>()
  /** Versions of time zone data of other nodes that this node has warned of. */
  readonly #warnedOf = new Set<string>()
  /** The next look restarts the observation of silence. */
  #restarts = true
  #isQuiet = false
  /** Node records may be missing, see {@link takeGap}. */
  #hasGap = true
  /** Monotonic instant of the last answer. */
  #lookedAt = Number.NEGATIVE_INFINITY
  /** Monotonic instant of the newest request that was answered. */
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(engine: PeersContext, silence: Silence) {
    this.#engine = engine
    this.#silence = silence
  }

  /** Whether this node knows no other incarnation, dead or alive. A record that states a death does not count. */
  get isEmpty(): boolean {
    return this.#peers.size === 0
  }

  get(incarnation: string): Readonly<Peer> | undefined {
    return this.#peers.get(incarnation)
  }

  /** Returns for how long a peer has been silent, in ms, see `Peer.since`; 0 for an unknown peer. */
  silentForMs(incarnation: string): number {
    const now = this.#engine.clock.monotonic()
    return now - (this.#peers.get(incarnation)?.since ?? now)
  }

  /** Returns whether the last look found another counter than the look before, or the first record of this incarnation. */
  hasBeaten(incarnation: string): boolean {
    return this.#peers.get(incarnation)?.since === this.#lookedAt
  }

  /**
   * Living nodes that are not leaving. A node whose record disappeared counts as alive until it is declared dead, so that its
   * definitions stay in force. It does not count if a later life of the node has a record.
   */
  living(): readonly NodeRecord[] {
    return this.#records(({ state, record }) => {
      if (record.leaving) return false
      return state === 'present' || state === 'settled' || (state === 'absent' && !this.#hasLaterLife(record))
    })
  }

  /** Nodes that are dead, and whose runs are not known to be released. */
  dead(): readonly NodeRecord[] {
    return this.#records(({ state }) => isDead(state))
  }

  /**
   * Nodes that shut down at least one `deadAfter` ago, so that every node has seen it. A storage call of such a node may have
   * taken effect late or twice. Then a run has an owner that never learned of it.
   */
  ended(): readonly NodeRecord[] {
    const before = this.#engine.clock.monotonic() - this.#silence.deadAfterMs
    return this.#records(({ state, since }) => state === 'ended' && since <= before)
  }

  /**
   * Calls of `runDue` whose end lies in the past, by their own record. A call lives too shortly to observe the silence of
   * another call. This rests on clocks as a deadline does, see decision 15.
   */
  over(now: number): readonly NodeRecord[] {
    return this.#records(({ record }) => (callEndsAtOf(record) ?? Number.POSITIVE_INFINITY) + clockMarginMs < now)
  }

  /**
   * Returns whether node records may have got lost since the last call of this method: true after the start, a failed
   * heartbeat, a stall, and the disappearance of a record. The caller then searches for owners that have no record.
   */
  takeGap(): boolean {
    const hasGap = this.#hasGap
    this.#hasGap = false
    return hasGap
  }

  /** Takes in the owner of a run. If this node knows no record of that incarnation, the silence of the owner begins now. */
  expect({ node, incarnation }: Owner): void {
    if (incarnation === this.#engine.owner.incarnation || this.#peers.has(incarnation)) return
    // The `deadAfter` of this node is unknown. The longest known value protects a living node whose record is lost.
    const known = [...this.#peers.values()].map(({ record }) => deadAfterOf(record) ?? 0)
    const about = { deadAfterMs: Math.max(this.#silence.deadAfterMs, ...known) }
    const record = { node, incarnation, counter: unrecordedCounter, startedAt: 0, leaving: false, about }
    this.#move(peerOf(record, this.#engine.clock.monotonic()), 'owns')
  }

  /** The reaper found no run of this incarnation. Returns whether the storage may have a record of it to remove. */
  settle(incarnation: string): boolean {
    const peer = this.#peers.get(incarnation)
    if (peer === undefined) return true
    return this.#move(peer, 'settled') !== 'unknown'
  }

  /** A heartbeat has failed: the next look restarts the observation of silence. */
  beginAnew(): void {
    this.#restarts = true
  }

  /**
   * Takes in the node records of an answer. `askedAt`: monotonic instant of the request. `isQuiet`: this process is no
   * node; it neither logs nor emits what it sees. Returns whether the members or their code have changed.
   */
  observe(
    records: readonly NodeRecord[],
    askedAt: number,
    { isQuiet = false }: { readonly isQuiet?: boolean } = {},
  ): boolean {
    this.#isQuiet = isQuiet
    // A newer request was answered first. This answer may lack nodes that have started since.
    if (askedAt < this.#askedAt) return false
    this.#askedAt = askedAt
    const answeredAt = this.#engine.clock.monotonic()
    // The request was sent before the previous answer came. It may have read the storage earlier, so absence proves nothing.
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
        // A run was found after the statement: the peer is dead, and stays known until that run is released.
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

  /** Adds the time since the last look to the observation, or restarts it after a failed heartbeat or a stall. */
  #pass(now: number): void {
    const { longestGapMs, heartbeatMs } = this.#silence
    const gapMs = now - this.#lookedAt
    const restarts = this.#restarts || gapMs > longestGapMs
    this.#hasGap ||= restarts
    // Infinite before the first look: nothing has been observed until then.
    const connectedMs = Number.isFinite(gapMs) ? Math.min(gapMs, heartbeatMs) : 0
    for (const peer of this.#peers.values()) {
      peer.connectedMs += connectedMs
      if (restarts && !isDead(peer.state)) peer.since = now
    }
    this.#restarts = false
    this.#lookedAt = now
  }

  /** Applies one record. Returns whether the members or their code have changed. */
  #see(record: NodeRecord, askedAt: number, answeredAt: number): boolean {
    const peer = this.#peers.get(record.incarnation) ?? peerOf(record, answeredAt)
    const { state, record: before, isProven } = peer
    const hasMoved = record.counter !== before.counter
    const wasBuried = this.#buried.delete(record.incarnation)
    if (hasMoved) {
      peer.isProven = state !== 'unrecorded'
      Object.assign(peer, { record, since: answeredAt, heardAt: answeredAt, connectedMs: 0 })
    }
    if (wasBuried || (hasMoved && isDead(state))) peer.isProven = true
    this.#move(peer, hasEnded(record) ? 'ended' : hasMoved ? 'beat' : 'read')
    this.#judge(peer, askedAt)
    if (wasBuried && !isDead(state)) this.#sayRevived(record)
    if (!isProven && peer.isProven && hasMoved) this.#sayFirstBeat(record, { isRevived: wasBuried || isDead(state) })
    if (record.leaving && !before.leaving && peer.isProven && !this.#isQuiet)
      this.#engine.events.emit('node.left', namesOf(record))
    const hasStarted = record.counter > 0 && before.counter <= 0
    const isOther = record.about.code !== before.about.code || record.leaving !== before.leaving
    return state !== peer.state || isProven !== peer.isProven || (hasMoved && (hasStarted || isOther))
  }

  /** Declares a peer dead when it has been silent for long enough. */
  #judge(peer: Peer, askedAt: number): void {
    const { deadAfterMs, leastSilenceMs } = this.#silence
    const limitMs = Math.max(deadAfterOf(peer.record) ?? deadAfterMs, leastSilenceMs)
    const isSilent = askedAt - peer.since >= limitMs || peer.connectedMs >= interruptedFactor * limitMs
    if (isSilent && peer.state !== 'unknown') this.#move(peer, 'silent')
  }

  /** Moves a peer along the table, keeps or forgets it, and reports what has happened. Returns its state. */
  #move(peer: Peer, event: PeerEvent): PeerState {
    const { state, record } = peer
    const news = newsOf(state, event)
    peer.state = nextState(state, event)
    if (peer.state !== 'unknown') this.#peers.set(record.incarnation, peer)
    else if (this.#peers.delete(record.incarnation) && state !== 'ended') this.#bury(record)
    if (news === 'lost') this.#sayLost(peer)
    else if (news === 'revived') this.#sayRevived(record)
    return peer.state
  }

  #bury({ incarnation }: NodeRecord): void {
    if (this.#buried.size >= rememberedValues) this.#buried.clear()
    this.#buried.add(incarnation)
  }

  #hasLaterLife({ node }: NodeRecord): boolean {
    return [...this.#peers.values()].some(({ record, state }) => record.node === node && hasRecord(state))
  }

  #records(isWanted: (peer: Peer) => boolean): readonly NodeRecord[] {
    const records: NodeRecord[] = []
    for (const peer of this.#peers.values()) if (isWanted(peer)) records.push(peer.record)
    return records
  }

  #sayFirstBeat(record: NodeRecord, { isRevived }: { readonly isRevived: boolean }): void {
    if (this.#isQuiet) return
    this.#compareTimeZones(record)
    if (!isRevived && !record.leaving) this.#engine.events.emit('node.joined', namesOf(record))
  }

  /** Nodes with other time zone data may disagree about the instants of a slot. */
  #compareTimeZones(record: NodeRecord): void {
    const version = timeZoneVersionOf(record)
    if (version === null || version === timeZoneVersion || this.#warnedOf.has(version)) return
    this.#warnedOf.add(version)
    const { logger, owner } = this.#engine
    logger.warn(
      { node: owner.node, timeZones: timeZoneVersion, otherNode: record.node, otherTimeZones: version },
      'two nodes have different time zone data; bring both to one version of Node.js',
    )
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
    logger.warn({ ...names, silentForMs }, 'node declared dead; releasing its runs')
  }
}

function peerOf(record: NodeRecord, since: number): Peer {
  return { record, state: 'unknown', since, heardAt: since, connectedMs: 0, isProven: false }
}

function namesOf({ node, incarnation }: NodeRecord) {
  return { node, incarnation }
}
