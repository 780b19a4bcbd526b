import { joinShare, longestWaitMs, pauseFactor, runsPerTurn } from './tuning.ts'
import { worthACall } from '../storage-access/tuning.ts'
import { lookMs, recordsPerCall } from '../../tuning.ts'
import type { JobSettings } from '../../configuration/settings.ts'
import { isMoreUrgent, type Ordered, orderAt } from '../../storage/rules.ts'
import type { Alarm } from '../runtime/agenda.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { Signal } from '../runtime/signal.ts'
import type { Clock } from '../../clock.ts'

/** An occurrence that needs a permit to run. */
export interface PermitHolder {
  /** Position in the order of waiting occurrences: the holder with the lowest value gets the next permit. */
  readonly orderAt: number
  /** Whether the holder has a permit. Only {@link Capacity} sets this. */
  permit: 'none' | 'awaited' | 'held'
  /** Called when the holder gets its permit. */
  start(): void
  /**
   * Called when the holder has waited for a permit longer than {@link longestWaitMs}. The holder then hands its occurrence
   * back.
   */
  handBack(): void
}

/**
 * Limits concurrent occurrences on this node to `limit` permits:
 * - A running occurrence holds a permit.
 * - An occurrence that is being created, claimed or taken next reserves a permit.
 * - While handlers are quick, the node prefetches further occurrences, which wait here for a permit (decision 0007).
 *
 * A held slot or held request waits for a free permit, in the memory of this node. The storage does not have its occurrence
 * yet.
 *
 * Callers ask this class before they take work. All rules about precedence and shares are in this class:
 * - {@link roomForSlot} for due slots,
 * - {@link roomToClaim} for pending work,
 * - {@link roomForRequests} for requests,
 * - {@link roomForNext} for a run that ends and takes the next occurrence of its job.
 *
 * Signals:
 * - {@link room}: a permit may be free for held slots.
 * - {@link requestRoom}: a permit may be free for held requests.
 * - {@link work}: the storage may have pending work for a free permit.
 */
export class Capacity implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly room: Signal = new Signal()
  readonly requestRoom: Signal = new Signal()
  readonly work: Signal = new Signal()
  readonly turns: FairTurns
  readonly #engine: Pick<EngineContext, 'agenda' | 'clock'>
  readonly #requestHold: Alarm
  readonly #limit: number
  readonly #prefetch: number
  readonly #latency: HandlerLatency
  #held = 0
  /** Holders that wait for a permit, sorted by `orderAt`, then by arrival. `since`: monotonic instant of the arrival. */
  readonly #waiting: { readonly holder: PermitHolder; readonly since: number }[] = []
  #reserved = 0
  /** Number of permits that are reserved for requests whose occurrences are being created. */
  #requested = 0
  /** Whether the storage has due pending work, as far as this node knows. */
  hasBacklog = false
  /** Whether pending work may have appeared that no claim has read yet. */
  hasUnreadWork = false
  /** The last occurrence of the latest claim that left more work in the storage; `null`: unknown. */
  #lastTaken: Ordered | null = null
  /**
   * Milliseconds until the launcher tries again to launch the due slots that wait in its memory for a permit; 0: no such slot
   * waits.
   */
  heldForMs = 0
  /** Monotonic instant at which a run last gave its permit back. Runs that this node had lost do not count. */
  #leftAt = Number.NEGATIVE_INFINITY
  /**
   * How many due slots this node may still store as pending during a backlog. Each run claimed from the backlog adds
   * {@link joinShare}.
   */
  #mayJoin = 0
  /** Number of occurrences that this node has stored as pending since it last had no backlog. */
  #stored = 0
  /** Number of occurrences that this node has claimed since it last had no backlog. */
  #claimed = 0
  /** Whether peers probably have free permits. */
  #othersHaveRoom = true
  #holdsRequests = false
  #filling = false
  #stopped = false

  constructor(
    engine: Pick<EngineContext, 'agenda' | 'clock'>,
    options: { readonly limit: number; readonly prefetch: number },
  ) {
    this.#engine = engine
    this.#limit = options.limit
    this.#prefetch = options.prefetch
    this.#latency = new HandlerLatency(options.limit)
    this.turns = new FairTurns(engine.clock)
    this.#requestHold = { at: 0, heapIndex: -1, ring: () => this.requestRoom.send() }
  }

  // ------------------------------------------------------------------------------------------------------------- room

  /** Number of occurrences that wait for a permit. Their handlers have not been called. */
  get waitingCount(): number {
    return this.#waiting.length
  }

  /**
   * Permits that are neither held nor reserved. May be negative: slots in creation also reserve permits for the prefetch, more
   * than are free.
   */
  get #free(): number {
    return this.#limit - this.#held - this.#reserved
  }

  /** Returns how many due slots of a job may start now: the free permits plus the prefetch. */
  roomForSlot({ executionTimeoutMs, onInterrupted, startRate }: JobSettings): number {
    // A job has no prefetch in three cases:
    // - Its `onInterrupted` is not `retry`: a crash of the node would fail its prefetched occurrences.
    // - It has a start rate: a prefetched occurrence that is handed back would use up a start.
    // - Its execution timeout is short: the wait for a permit would take too much of this timeout.
    const canWait = executionTimeoutMs >= 10 * longestWaitMs && onInterrupted === 'retry' && startRate === null
    const ahead = canWait ? Math.min(this.#prefetch, this.#latency.soonStarted) : 0
    return Math.max(0, this.#free + ahead - this.#waiting.length)
  }

  /** Returns how many pending occurrences a claim may take. Claims never prefetch. */
  roomToClaim(): number {
    return Math.max(0, this.#free)
  }

  /**
   * Returns how many requested runs may start now. Due slots have precedence. Requests in creation reserve at most half of the
   * permits. The reason: the overlap policy may skip most requests of a burst. Until the storage answers, no other work can use
   * the permits of these requests.
   */
  roomForRequests(): number {
    if (this.heldForMs > 0 || this.hasBacklog) return 0
    const share = Math.max(1, Math.floor(this.#limit / 2))
    return Math.max(0, Math.min(this.#free, share - this.#requested))
  }

  /** Returns whether a run that ends may take the next occurrence of its job. All other waiting work has precedence. */
  roomForNext(): boolean {
    const isAwaited = this.heldForMs > 0 || this.#holdsRequests || this.#waiting.length > 0
    return this.#free > 0 && !this.hasBacklog && !isAwaited && !this.#stopped
  }

  /**
   * Returns how many of the `waiting` requests the caller may send to the storage now. `waitedMs`: how long the oldest request
   * has waited.
   *
   * Usually the caller may send all requests. It may send only the requests that get a permit now if both conditions hold:
   * - Many requests wait.
   * - All of them will probably get a permit within {@link longestWaitMs}.
   *
   * The caller then keeps the other requests until the signal {@link requestRoom}.
   */
  admitRequests(waiting: number, waitedMs: number): number {
    const room = this.roomForRequests()
    this.#holdsRequests = waiting > room && this.#findRoomSoon(waiting, waitedMs)
    if (!this.#holdsRequests) return waiting
    this.#engine.agenda.setAlarm(this.#requestHold, longestWaitMs - waitedMs)
    return room
  }

  #findRoomSoon(waiting: number, waitedMs: number): boolean {
    // On a virtual clock, time does not pass during a wait, so requests do not wait for permits.
    if (this.#engine.clock.isAuthoritative === true || this.#stopped) return false
    // If this node already keeps requests of a burst in memory, it also keeps the rest of the burst. A request that is stored
    // as pending would become a backlog. With a backlog, no later request could start immediately.
    const isBurst = waiting >= worthACall || this.#holdsRequests
    return isBurst && waitedMs < longestWaitMs && this.#latency.waitMs(waiting) < longestWaitMs
  }

  /** Reserves a permit for a request that is being created. */
  reserveRequest(): void {
    this.#requested++
    this.#reserved++
  }

  unreserveRequest(): void {
    this.#requested--
    this.#reserved--
    this.#permitFreed()
    this.offerRoom()
  }

  /** Reserves permits for occurrences that are being created or claimed. */
  reserve(count: number): void {
    this.#reserved += count
  }

  /**
   * Ends the reservation of permits. Sends no signal, because usually the occurrences have started and hold these permits
   * now. If a permit stays free, the caller then calls {@link offerRoom}, or launches or claims again.
   */
  unreserve(count: number): void {
    this.#reserved -= count
  }

  // ---------------------------------------------------------------------------------------------------------- permits

  /** Starts the holder if a permit is free. Otherwise the holder waits for a permit. */
  enter(holder: PermitHolder): void {
    if (this.#held < this.#limit) {
      this.#start(holder)
      return
    }
    if (this.#waiting.length === 0) this.#engine.agenda.setAlarm(this, longestWaitMs)
    holder.permit = 'awaited'
    // Searches for the position of the holder from the end of the sorted list, because nearly all holders belong there.
    let index = this.#waiting.length
    while (index > 0 && (this.#waiting[index - 1]?.holder.orderAt ?? 0) > holder.orderAt) index--
    this.#waiting.splice(index, 0, { holder, since: this.#engine.clock.monotonic() })
  }

  #start(holder: PermitHolder): void {
    this.#held++
    holder.permit = 'held'
    holder.start()
  }

  /**
   * Takes the permit back from the holder, or ends its wait for a permit. `heldMs`: `workingMs` of the execution; `null` if the
   * node lost the run. A second call has no effect.
   */
  leave(holder: PermitHolder, heldMs: number | null): void {
    const { permit } = holder
    holder.permit = 'none'
    if (permit === 'awaited') {
      const index = this.#waiting.findIndex((one) => one.holder === holder)
      if (index >= 0) this.#waiting.splice(index, 1)
    }
    if (permit !== 'held') return
    this.#held--
    if (heldMs !== null) {
      this.#latency.held(heldMs)
      this.#leftAt = this.#engine.clock.monotonic()
    }
    this.#fill()
    this.#permitFreed()
  }

  #permitFreed(): void {
    if (this.heldForMs > 0) this.room.send()
    if (this.#holdsRequests) this.requestRoom.send()
  }

  #fill(): void {
    // A handler may end synchronously, while an outer call of this method starts it and still gives out permits. The handler's
    // end calls this method again. This inner call returns: the outer call also gives out the permit that became free.
    if (this.#stopped || this.#filling || this.#waiting.length === 0) return
    this.#filling = true
    while (this.#held < this.#limit) {
      const next = this.#waiting.shift()
      if (next === undefined) break
      this.#start(next.holder)
    }
    this.#filling = false
    if (this.#waiting.length === 0) this.#engine.agenda.cancelAlarm(this)
  }

  /** Hands back occurrences that have waited for a permit longer than {@link longestWaitMs}, so that peers may claim them. */
  ring(): void {
    const now = this.#engine.clock.monotonic()
    for (const { holder, since } of this.#waiting.toSorted((one, other) => one.since - other.since)) {
      const waitedMs = now - since
      if (waitedMs < longestWaitMs) {
        this.#engine.agenda.setAlarm(this, longestWaitMs - waitedMs)
        return
      }
      this.#latency.stalled(waitedMs)
      holder.handBack()
    }
  }

  /**
   * Gives no more permits to waiting occurrences. From now on, `ExecutionPool` must not call {@link enter}, because `enter`
   * would still start a holder.
   */
  stop(): void {
    this.#stopped = true
  }

  // ------------------------------------------------------------------------------------------------------------- hold

  /**
   * Returns whether a due slot waits for a permit in the memory of the launcher, and sets {@link heldForMs}. If the slot does
   * not wait, the launcher creates its occurrence. The occurrence starts if a permit is free, and otherwise becomes pending.
   * `taken`: how many slots of the same launch precede this slot. `slot` and `now` are epoch ms.
   *
   * Without a backlog, a slot that gets a permit does not wait. These rules apply to a slot without a permit:
   * - First, the slot waits for {@link longestWaitMs}.
   * - Then the slot stops waiting if a peer may run it. This means that peers probably have free permits, and that the slot is
   *   among the first `limit` slots without one.
   * - Any other slot waits until half of its misfire threshold has passed, as long as handlers are quick.
   *
   * With a backlog, these rules apply, because the backlog is older than the slot:
   * - A slot that is more urgent than the backlog does not wait. The next claim takes its occurrence from the storage.
   * - Any other slot waits while handlers are quick. After half of its misfire threshold, the slot stops waiting as far as
   *   {@link joinShare} allows.
   */
  holds(slot: number, settings: JobSettings, taken: number, now: number): boolean {
    const patienceMs = settings.misfireThresholdMs / 2
    if (this.hasBacklog) this.heldForMs = this.#holdsBehindBacklog(slot, settings, patienceMs, now) ? lookMs : 0
    else this.heldForMs = this.#holdForPermit(taken - this.roomForSlot(settings), now - slot, patienceMs)
    return this.heldForMs > 0
  }

  /**
   * Returns the ms for which a slot waits for a permit. `beyond`: number of earlier slots without a permit; negative if this
   * slot gets one.
   */
  #holdForPermit(beyond: number, lateMs: number, patienceMs: number): number {
    if (beyond < 0 || lateMs >= patienceMs) return 0
    if (lateMs < longestWaitMs) return Math.min(longestWaitMs, patienceMs) - lateMs
    // A peer with a free permit takes a slot that this node stores as pending. Without such a peer, each stored slot would only
    // delay the runs of this node.
    const isOffered = beyond < this.#limit && this.#othersHaveRoom
    return !isOffered && this.#worksQuickly ? Math.min(longestWaitMs, patienceMs - lateMs) : 0
  }

  #holdsBehindBacklog(slot: number, settings: JobSettings, patienceMs: number, now: number): boolean {
    const isUrgent = this.#lastTaken !== null && isMoreUrgent(slot, settings, this.#lastTaken)
    if (isUrgent || !this.#worksQuickly) return false
    if (now - slot < patienceMs || this.#mayJoin < 1) return true
    this.#mayJoin--
    return false
  }

  /** Whether handlers are quick, and a run has given its permit back in the last 10 s. */
  get #worksQuickly(): boolean {
    return this.#latency.isQuick && this.#engine.clock.monotonic() - this.#leftAt < 10_000
  }

  // ---------------------------------------------------------------------------------------------------------- backlog

  /**
   * Called when the storage has pending work that any node with a free permit may claim. Sends {@link work}, so that the
   * claimer claims.
   */
  workAppeared(): void {
    this.hasUnreadWork = true
    this.hasBacklog = true
    this.work.send()
  }

  /** Called when this node itself has stored pending work. Counts the work, and then does the same as {@link workAppeared}. */
  workStored(handlerKey: string): void {
    this.#stored++
    this.turns.stored(handlerKey)
    this.workAppeared()
  }

  /**
   * Records that a claim has taken `taken` occurrences, with `last` as the last one. `more`: due work is left in the storage.
   */
  workLeft(more: boolean, taken: number, last?: Ordered): void {
    this.hasBacklog = more
    this.#claimed += taken
    if (!more) {
      if (this.#stored > 0) this.#othersHaveRoom = this.#claimed < this.#stored / 2
      this.#stored = 0
      this.#claimed = 0
    }
    if (!more) this.#lastTaken = null
    else if (last !== undefined) this.#lastTaken = last
    this.#mayJoin = more ? Math.min(this.#mayJoin + taken * joinShare, recordsPerCall) : 0
    if (!more && this.heldForMs > 0) this.room.send()
    if (this.#holdsRequests) this.requestRoom.send()
  }

  /** Called when a peer has launched a due slot for which this node had no permit: the peer has free permits. */
  peerHasRoom(): void {
    this.#othersHaveRoom = true
  }

  /** Tells the claimer that a permit may be free for pending work. */
  offerRoom(): void {
    if (this.hasBacklog || this.hasUnreadWork) this.work.send()
  }
}

/** Estimates how soon permits become free, as if all runs were as slow as the slowest recent run. */
export class HandlerLatency {
  readonly #permits: number
  /** Duration of the slowest recent run, in ms; infinite until the first run has ended. */
  #slowestMs = Number.POSITIVE_INFINITY

  constructor(permits: number) {
    this.#permits = permits
  }

  /** Records that an occurrence has given its permit back. `durationMs`: `workingMs` of the execution. */
  held(durationMs: number): void {
    // Each run reduces the influence of an earlier slow run by 5 %. After 60 quick runs, 5 % of the slow run's duration
    // is left.
    const remembered = Number.isFinite(this.#slowestMs) ? this.#slowestMs * 0.95 : 0
    this.#slowestMs = Math.max(durationMs, remembered)
  }

  /** Records that a prefetched occurrence has waited `durationMs` without getting a permit. */
  stalled(durationMs: number): void {
    if (durationMs > this.#slowestMs) this.#slowestMs = durationMs
  }

  get isQuick(): boolean {
    return this.#slowestMs <= longestWaitMs
  }

  /**
   * Number of occurrences that will get a permit within 5 % of {@link longestWaitMs}. Occurrences that have a permit already do
   * not count.
   */
  get soonStarted(): number {
    const startedMs = (this.#permits * longestWaitMs) / 20
    return this.#slowestMs === 0 ? Number.POSITIVE_INFINITY : Math.floor(startedMs / this.#slowestMs)
  }

  /**
   * Returns the estimated milliseconds until the last of `count` waiting occurrences gets a permit; 0 before the first
   * run has ended.
   */
  waitMs(count: number): number {
    return Number.isFinite(this.#slowestMs) ? (count * this.#slowestMs) / this.#permits : 0
  }
}

/**
 * Gives each job with waiting work its turn while more work waits in the storage than this node has permits for. Otherwise
 * thousands of requests of one job would delay all other jobs.
 *
 * Turns go in rounds:
 * - A job has had its turn when this node has begun {@link runsPerTurn} runs of it in the present round.
 * - From time to time, a claim leaves out the jobs that have had their turn.
 * - If such a claim finds no occurrence, the round ends, and the next round begins.
 *
 * Exceptions:
 * - Runs with a priority above 0 do not count for a turn.
 * - After a run with a priority below 0 has begun, claims leave out no job until the round ends.
 * - Jobs whose tasks name the same handlers share a turn.
 */
export class FairTurns {
  readonly #clock: Pick<Clock, 'monotonic'>
  /** Number of runs that this node has begun in the present round of turns, by handler key. */
  #begun = new Map<string, number>()
  #hasBegunLow = false
  /** Handler keys of the jobs that had their turn in the last round; `null`: unknown. */
  #lastRound: ReadonlySet<string> | null = null
  /** Monotonic instant of the next claim that leaves out the jobs that have had their turn. */
  #nextAt = Number.NEGATIVE_INFINITY
  /** Earliest monotonic instant of the next claim that leaves out jobs, see {@link pauseFactor}. */
  #soonestAt = Number.NEGATIVE_INFINITY

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Returns the handler keys that the next claim leaves out; `null`: the claim takes from all jobs. */
  leftOut(): readonly string[] | null {
    if (this.#hasBegunLow || this.#clock.monotonic() < this.#nextAt) return null
    const served = this.#served()
    return served.length === 0 ? null : served
  }

  /**
   * Returns whether the job is a newcomer: it had no turn in the last round and has had no turn in this round. Before the first
   * round has ended, no job is a newcomer.
   */
  isNewcomer(handlerKey: string): boolean {
    const begun = this.#begun.get(handlerKey) ?? 0
    return this.#lastRound !== null && !this.#lastRound.has(handlerKey) && begun < runsPerTurn
  }

  /**
   * Records that this node has stored due work of a job. If the job is a newcomer, plans a claim that leaves out the jobs of
   * the last round.
   */
  stored(handlerKey: string): void {
    if (!this.isNewcomer(handlerKey)) return
    for (const key of this.#lastRound ?? []) this.#begun.set(key, runsPerTurn)
    this.#nextAt = this.#soonestAt
  }

  /** Records that this node begins a run of a job. */
  begun(handlerKey: string, occurrence: Ordered): void {
    const forwardMs = occurrence.scheduledAt - orderAt(occurrence)
    if (forwardMs < 0) this.#hasBegunLow = true
    if (forwardMs > 0) return
    this.#begun.set(handlerKey, (this.#begun.get(handlerKey) ?? 0) + 1)
    if (this.#begun.size > 10 * runsPerTurn) this.clear()
  }

  /**
   * Ends the round. Called when a claim has left no work, or when the round has more than ten times {@link runsPerTurn} jobs.
   */
  clear(): void {
    this.#begun.clear()
    this.#hasBegunLow = false
    this.#lastRound = null
  }

  /** Records the result of a claim that left out jobs. `tookMs`: the duration of its storage call. */
  looked(hasFound: boolean, tookMs: number): void {
    const now = this.#clock.monotonic()
    this.#soonestAt = now + pauseFactor * tookMs
    this.#nextAt = this.#soonestAt
    if (hasFound) return
    const served = this.#served()
    if (served.length === 1) this.#nextAt = Math.max(this.#soonestAt, now + lookMs)
    this.#lastRound = new Set(served)
    this.#begun.clear()
  }

  #served(): readonly string[] {
    return [...this.#begun].flatMap(([key, runs]) => (runs >= runsPerTurn ? [key] : []))
  }
}
