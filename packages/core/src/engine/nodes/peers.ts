import type { NodeRecord } from '../../storage/node-record.ts'
import type { Owner } from '../../storage/occurrence-record.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { callEndsAtOf, deadAfterOf, deathOf, hasEnded, timeZoneVersion, timeZoneVersionOf } from './node-info.ts'

/** What this node has seen of another one. */
interface Sighting {
  record: NodeRecord
  /** Monotonic instant since which the counter stands. */
  since: number
  /** Monotonic instant at which the counter was last seen to grow, or the node first seen. */
  heardAt: number
  /** How long this node has been connected to the storage since the counter moved, in ms. Outages do not reset it. */
  connectedMs: number
  /** Its counter was seen to grow: without that it may be long dead. */
  isProven: boolean
  isLost: boolean
  /** The storage has no record of this incarnation. A storage can lose node records and keep occurrences. */
  isAbsent: boolean
  /** False if this node knows only an occurrence of this owner and has never read its node record. */
  isRecorded: boolean
  /** The reaper found no run of this incarnation. */
  isSettled: boolean
}

/** A call of `runDue` is over so long after it was to end: clocks differ, and what it has sent may be under way. */
const callMarginMs = 5000

/** Of an owner without a node record: below every counter that a node writes. */
const unseenCounter = Number.NEGATIVE_INFINITY

/**
 * Connected silence after which a node is dead, as a multiple of its `deadAfter`, if outages interrupt the observation.
 * With the next look and the reap it stays below the documented bound of 2.
 */
const interruptedFactor = 1.5

/** More than that are not remembered. */
const mostBuried = 1000

type PeersContext = Pick<EngineContext, 'clock' | 'events' | 'logger' | 'owner'>

/**
 * The other nodes, as this one has seen them: each is dead when its counter has stood still, on this node's own monotonic
 * clock, for the `deadAfter` that it gives. No clock of another node counts.
 *
 * A failed look and a stall of this node restart that observation: when the storage was away for all nodes, none is dead
 * when it is back. To bound the delay that repeated outages cause, a node is also dead after 1.5 × `deadAfter` of
 * connected silence. Each answered look counts as connected time, for one heartbeat interval at most.
 *
 * A node whose record disappears is dead only after the same time: the storage may have lost the record of a living node.
 */
export class Peers {
  readonly #engine: PeersContext
  readonly #deadAfterMs: number
  readonly #heartbeatMs: number
  readonly #longestGapMs: number
  readonly #leastSilenceMs: number
  readonly #sightings = new Map<string, Sighting>()
  /** Dead ones whose records are gone: one that comes again was not dead. */
  readonly #buried = new Set<string>()
  /** Other versions of time zone data that this node has warned of. */
  readonly #warnedOf = new Set<string>()
  #beginsAnew = true
  #isQuiet = false
  /** An owner may be missing from the sightings: see {@link takeGap}. */
  #hasGap = true
  #lookedAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY

  /**
   * `longestGapMs`: looks that are farther apart tell that this node stood still. `leastSilenceMs`: nobody is dead before,
   * whatever they give: between two looks the storage may have been away.
   */
  constructor(
    engine: PeersContext,
    options: {
      readonly heartbeatMs: number
      readonly deadAfterMs: number
      readonly longestGapMs: number
      readonly leastSilenceMs: number
    },
  ) {
    this.#engine = engine
    this.#heartbeatMs = options.heartbeatMs
    this.#deadAfterMs = options.deadAfterMs
    this.#longestGapMs = options.longestGapMs
    this.#leastSilenceMs = options.leastSilenceMs
  }

  /**
   * Other nodes that this node takes for alive and that are not leaving. A node whose record disappeared
   * is alive until it is declared dead, unless a later life of it has a record: its definitions stay in force.
   */
  living(): readonly NodeRecord[] {
    const living: NodeRecord[] = []
    for (const sighting of this.#sightings.values()) {
      const { record, isLost, isAbsent, isRecorded } = sighting
      if (isLost || record.leaving || !isRecorded || (isAbsent && this.#hasLaterLife(sighting))) continue
      living.push(record)
    }
    return living
  }

  /** Whether this node knows of no other node, dead or alive, whose runs may be left. */
  get isEmpty(): boolean {
    return this.#sightings.size === 0
  }

  /** The record of a node whose heartbeats this node has seen, and which does not count as dead now. */
  livingAgain(incarnation: string): NodeRecord | null {
    const sighting = this.#sightings.get(incarnation)
    return sighting?.isProven === true && !sighting.isLost ? sighting.record : null
  }

  /** Those that are dead, and whose work may not be taken over yet. */
  lost(): readonly NodeRecord[] {
    return [...this.#sightings.values()].filter(({ isLost }) => isLost).map(({ record }) => record)
  }

  /**
   * Those that ended in good order long enough ago for everybody to have seen it. A call of theirs that took effect late,
   * or twice, may have left something that they never learned of.
   */
  ended(): readonly NodeRecord[] {
    const now = this.#engine.clock.monotonic()
    return [...this.#sightings.values()]
      .filter(({ record, since }) => hasEnded(record) && now - since >= this.#deadAfterMs)
      .map(({ record }) => record)
  }

  /**
   * Calls of `runDue` that are over at `now` by their own word, whether they have said so or not. Whoever calls lives too
   * shortly to see that another one is silent; what this rests on is no more than what a deadline does, see decision 15.
   */
  over(now: number): readonly NodeRecord[] {
    return [...this.#sightings.values()]
      .filter(({ record }) => (callEndsAtOf(record) ?? Number.POSITIVE_INFINITY) + callMarginMs < now)
      .map(({ record }) => record)
  }

  /** For how long the counter of a node has stood, as far as this node has seen; `null` for one that it has not seen. */
  silentForMs(incarnation: string): number | null {
    const sighting = this.#sightings.get(incarnation)
    return sighting === undefined ? null : this.#engine.clock.monotonic() - sighting.since
  }

  /** Whether a heartbeat of a node was seen. Before that, nothing tells how long the node has been silent. */
  isProven(incarnation: string): boolean {
    return this.#sightings.get(incarnation)?.isProven === true
  }

  /**
   * Returns whether node records may be missing since the last call: after the start, a failed look, a stall, and the
   * disappearance of a record. The caller then looks for owners that have no record.
   */
  takeGap(): boolean {
    const hasGap = this.#hasGap
    this.#hasGap = false
    return hasGap
  }

  /** An occurrence has this owner. If the storage has no record of that incarnation, its silence begins now. */
  expect({ node, incarnation }: Owner): void {
    if (incarnation === this.#engine.owner.incarnation || this.#sightings.has(incarnation)) return
    // Its own `deadAfter` is unknown. The longest known one protects a living node that the storage has forgotten.
    const known = [...this.#sightings.values()].map(({ record }) => deadAfterOf(record) ?? 0)
    const about = { deadAfterMs: Math.max(this.#deadAfterMs, ...known) }
    const record = { node, incarnation, counter: unseenCounter, startedAt: 0, leaving: false, about }
    const sighting = sightingOf(record, this.#engine.clock.monotonic())
    this.#sightings.set(incarnation, { ...sighting, isAbsent: true, isRecorded: false })
  }

  /** The reaper found no run of a node that is gone. Returns whether the storage still has a record to remove. */
  settle(incarnation: string): boolean {
    const sighting = this.#sightings.get(incarnation)
    if (sighting === undefined) return true
    sighting.isSettled = true
    if (sighting.isAbsent) this.#bury(sighting)
    return !sighting.isAbsent
  }

  /** A look has failed: how long the others have been silent is not known any more. */
  beginAnew(): void {
    this.#beginsAnew = true
  }

  /**
   * What the storage says of all nodes. `askedAt`: monotonic instant, when it was asked. Answers whether any changed.
   * `isQuiet`: this process is no node. It neither logs nor emits what it sees.
   */
  observe(
    records: readonly NodeRecord[],
    askedAt: number,
    { isQuiet = false }: { readonly isQuiet?: boolean } = {},
  ): boolean {
    this.#isQuiet = isQuiet
    const { clock, owner } = this.#engine
    const answeredAt = clock.monotonic()
    // Of two looks that were under way at once, the older one does not know who has come since.
    if (askedAt < this.#askedAt) return false
    this.#askedAt = askedAt
    const gapMs = answeredAt - this.#lookedAt
    if (this.#beginsAnew || gapMs > this.#longestGapMs) this.#restart(answeredAt)
    this.#beginsAnew = false
    // Infinite before the first look: nothing has been observed until then.
    const connectedMs = Number.isFinite(gapMs) ? Math.min(gapMs, this.#heartbeatMs) : 0
    for (const sighting of this.#sightings.values()) sighting.connectedMs += connectedMs
    // It was on its way together with the one before, and may have read before that one did.
    const isOverlapping = askedAt < this.#lookedAt
    this.#lookedAt = answeredAt
    let hasChanged = false
    const seen = new Set<string>()
    const stated = new Set<string>()
    for (const record of records) {
      if (record.incarnation === owner.incarnation) continue
      if (deathOf(record) !== null) {
        stated.add(record.incarnation)
        continue
      }
      seen.add(record.incarnation)
      if (this.#see(record, askedAt, answeredAt)) hasChanged = true
    }
    for (const [incarnation, sighting] of this.#sightings) {
      if (seen.has(incarnation) || isOverlapping) continue
      if (stated.has(incarnation)) this.#seeDeath(sighting)
      if (this.#seeAbsent(sighting, askedAt)) hasChanged = true
    }
    return hasChanged
  }

  #restart(now: number): void {
    this.#hasGap = true
    for (const sighting of this.#sightings.values()) if (!sighting.isLost) sighting.since = now
  }

  #see(record: NodeRecord, askedAt: number, answeredAt: number): boolean {
    const sighting = this.#sightings.get(record.incarnation)
    if (sighting === undefined || !sighting.isRecorded) {
      const isBack = this.#buried.delete(record.incarnation) || sighting?.isLost === true
      this.#sightings.set(record.incarnation, { ...sightingOf(record, answeredAt), isProven: isBack })
      if (isBack) this.#sayBack(record)
      return true
    }
    const isBack = sighting.isAbsent
    sighting.isAbsent = false
    if (record.counter !== sighting.record.counter) return this.#seeBeat(sighting, record, answeredAt) || isBack
    return (!hasEnded(record) && this.#judge(sighting, askedAt)) || isBack
  }

  /** Another node declared it dead and has released its runs. */
  #seeDeath(sighting: Sighting): void {
    if (!sighting.isLost && !hasEnded(sighting.record)) this.#sayLost(sighting)
    sighting.isSettled = true
  }

  /** Its record is not there. A node that ended, or whose work is settled, needs none. */
  #seeAbsent(sighting: Sighting, askedAt: number): boolean {
    if (sighting.isSettled || hasEnded(sighting.record)) {
      this.#bury(sighting)
      return true
    }
    const hasVanished = !sighting.isAbsent
    sighting.isAbsent = true
    if (hasVanished) this.#hasGap = true
    return this.#judge(sighting, askedAt) || hasVanished
  }

  /** Declares a node dead when it has been silent for long enough. Returns whether it did. */
  #judge(sighting: Sighting, askedAt: number): boolean {
    if (sighting.isLost) return false
    const deadAfterMs = Math.max(deadAfterOf(sighting.record) ?? this.#deadAfterMs, this.#leastSilenceMs)
    const isDead = askedAt - sighting.since >= deadAfterMs || sighting.connectedMs >= interruptedFactor * deadAfterMs
    if (!isDead) return false
    sighting.isLost = true
    this.#sayLost(sighting)
    return true
  }

  #hasLaterLife({ record: { node } }: Sighting): boolean {
    return [...this.#sightings.values()].some(({ record, isAbsent }) => record.node === node && !isAbsent)
  }

  #bury({ record }: Sighting): void {
    this.#sightings.delete(record.incarnation)
    if (hasEnded(record)) return
    if (this.#buried.size >= mostBuried) this.#buried.clear()
    this.#buried.add(record.incarnation)
  }

  #seeBeat(sighting: Sighting, record: NodeRecord, answeredAt: number): boolean {
    const { record: before, isLost, isProven } = sighting
    const { events } = this.#engine
    const names = namesOf(record)
    sighting.record = record
    sighting.since = answeredAt
    sighting.heardAt = answeredAt
    sighting.connectedMs = 0
    sighting.isLost = false
    sighting.isSettled = false
    sighting.isProven = true
    if (!isProven) this.#compareTimeZones(record)
    if (isLost) this.#sayBack(record)
    else if (this.#isQuiet) return true
    else if (!isProven && !record.leaving) events.emit('node.joined', names)
    if (record.leaving && !before.leaving) events.emit('node.left', names)
    const hasStarted = record.counter > 0 && before.counter <= 0
    const isNews = isLost || !isProven || hasStarted || record.about.code !== before.about.code
    return isNews || record.leaving !== before.leaving || hasEnded(record) !== hasEnded(before)
  }

  /** Nodes with other time zone data may disagree about the instants of a slot. */
  #compareTimeZones(record: NodeRecord): void {
    const version = timeZoneVersionOf(record)
    if (this.#isQuiet || version === null || version === timeZoneVersion || this.#warnedOf.has(version)) return
    this.#warnedOf.add(version)
    const { logger, owner } = this.#engine
    logger.warn(
      { node: owner.node, timeZones: timeZoneVersion, otherNode: record.node, otherTimeZones: version },
      'two nodes have different time zone data; bring both to one version of Node.js',
    )
  }

  #sayBack(record: NodeRecord): void {
    if (this.#isQuiet) return
    const names = namesOf(record)
    this.#engine.logger.warn(names, 'a node that was taken for dead lives')
    this.#engine.events.emit('node.joined', names)
  }

  #sayLost({ record, heardAt }: Sighting): void {
    if (this.#isQuiet) return
    const { clock, events, logger } = this.#engine
    const names = namesOf(record)
    const silentForMs = Math.round(clock.monotonic() - heardAt)
    events.emit('node.lost', { ...names, silentForMs })
    logger.warn({ ...names, silentForMs }, 'node declared dead; releasing its runs')
  }
}

function sightingOf(record: NodeRecord, since: number): Sighting {
  return {
    record,
    since,
    heardAt: since,
    connectedMs: 0,
    isProven: false,
    isLost: false,
    isAbsent: false,
    isRecorded: true,
    isSettled: false,
  }
}

function namesOf({ node, incarnation }: NodeRecord) {
  return { node, incarnation }
}
