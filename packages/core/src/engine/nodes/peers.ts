import type { NodeRecord } from '../../storage/node-record.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { callEndsAtOf, deadAfterOf, deathOf, hasEnded, timeZoneVersion, timeZoneVersionOf } from './node-info.ts'

/** What this node has seen of another one. */
interface Sighting {
  record: NodeRecord
  /** Monotonic instant since which the counter stands. */
  since: number
  /** Monotonic instant at which the counter was last seen to grow, or the node first seen. */
  heardAt: number
  /** Its counter was seen to grow: without that it may be long dead. */
  isProven: boolean
  isLost: boolean
}

/** A call of `runDue` is over so long after it was to end: clocks differ, and what it has sent may be under way. */
const callMarginMs = 5000

/** More than that are not remembered. */
const mostBuried = 1000

type PeersContext = Pick<EngineContext, 'clock' | 'events' | 'logger' | 'owner'>

/**
 * The other nodes, as this one has seen them: each is dead when its counter has stood still, on this node's own monotonic
 * clock, for the `deadAfter` that it gives. No clock of another node counts. After a look that failed, and after this node itself stood still,
 * it begins anew: when the storage was away for everybody, nobody is dead when it is back.
 */
export class Peers {
  readonly #engine: PeersContext
  readonly #deadAfterMs: number
  readonly #longestGapMs: number
  readonly #leastSilenceMs: number
  readonly #sightings = new Map<string, Sighting>()
  /** Dead ones whose records are gone: one that comes again was not dead. */
  readonly #buried = new Set<string>()
  /** Other versions of time zone data that this node has warned of. */
  readonly #warnedOf = new Set<string>()
  #beginsAnew = true
  #isQuiet = false
  #lookedAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY

  /**
   * `longestGapMs`: looks that are farther apart tell that this node stood still. `leastSilenceMs`: nobody is dead before,
   * whatever they give: between two looks the storage may have been away.
   */
  constructor(
    engine: PeersContext,
    options: { readonly deadAfterMs: number; readonly longestGapMs: number; readonly leastSilenceMs: number },
  ) {
    this.#engine = engine
    this.#deadAfterMs = options.deadAfterMs
    this.#longestGapMs = options.longestGapMs
    this.#leastSilenceMs = options.leastSilenceMs
  }

  /** Those that this node takes for alive and that are not leaving, itself not among them. */
  living(): readonly NodeRecord[] {
    const living: NodeRecord[] = []
    for (const { record, isLost } of this.#sightings.values()) if (!isLost && !record.leaving) living.push(record)
    return living
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
    if (this.#beginsAnew || answeredAt - this.#lookedAt > this.#longestGapMs) this.#restart(answeredAt)
    this.#beginsAnew = false
    // It was on its way together with the one before, and may have read before that one did.
    const isOverlapping = askedAt < this.#lookedAt
    this.#lookedAt = answeredAt
    let hasChanged = false
    const seen = new Set<string>()
    for (const record of records) {
      if (record.incarnation === owner.incarnation) continue
      // Another node has taken over what it ran, as if its record were gone.
      if (deathOf(record) !== null) continue
      seen.add(record.incarnation)
      if (this.#see(record, askedAt, answeredAt)) hasChanged = true
    }
    for (const [incarnation, sighting] of this.#sightings) {
      if (seen.has(incarnation) || isOverlapping) continue
      this.#sightings.delete(incarnation)
      hasChanged = true
      // Whoever has taken over its work states its death, or takes its record away.
      if (!sighting.isLost && !hasEnded(sighting.record)) this.#sayLost(sighting)
      if (this.#buried.size >= mostBuried) this.#buried.clear()
      if (!hasEnded(sighting.record)) this.#buried.add(incarnation)
    }
    return hasChanged
  }

  #restart(now: number): void {
    for (const sighting of this.#sightings.values()) if (!sighting.isLost) sighting.since = now
  }

  #see(record: NodeRecord, askedAt: number, answeredAt: number): boolean {
    const sighting = this.#sightings.get(record.incarnation)
    if (sighting === undefined) {
      const isBack = this.#buried.delete(record.incarnation)
      this.#sightings.set(record.incarnation, {
        record,
        since: answeredAt,
        heardAt: answeredAt,
        isProven: isBack,
        isLost: false,
      })
      if (isBack) this.#sayBack(record)
      return true
    }
    if (record.counter !== sighting.record.counter) return this.#seeBeat(sighting, record, answeredAt)
    const deadAfterMs = Math.max(deadAfterOf(record) ?? this.#deadAfterMs, this.#leastSilenceMs)
    if (sighting.isLost || hasEnded(record) || askedAt - sighting.since < deadAfterMs) return false
    sighting.isLost = true
    this.#sayLost(sighting)
    return true
  }

  #seeBeat(sighting: Sighting, record: NodeRecord, answeredAt: number): boolean {
    const { record: before, isLost, isProven } = sighting
    const { events } = this.#engine
    const names = namesOf(record)
    sighting.record = record
    sighting.since = answeredAt
    sighting.heardAt = answeredAt
    sighting.isLost = false
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
    logger.warn({ ...names, silentForMs }, 'a node is dead: what it ran is taken over')
  }
}

function namesOf({ node, incarnation }: NodeRecord) {
  return { node, incarnation }
}
