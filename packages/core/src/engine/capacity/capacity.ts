import type { JobSettings } from '../../configuration/settings.ts'
import type { Alarm } from '../loop/agenda.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { RenewedSet } from '../loop/renewed-set.ts'
import { Signal } from '../loop/signal.ts'
import { type Ordered, orderAt } from '../../storage/rules.ts'
import { FairTurns } from './fair-turns.ts'
import { Offers } from './offers.ts'
import { Pace } from './pace.ts'
import { type InLine, WaitingLine } from './waiting-line.ts'

/** What was taken ahead and has found no place for so long is handed back. */
const longestWaitMs = 100

/** An occurrence that could not wait so long is not taken ahead. */
const shortestTimeoutMs = 10 * longestWaitMs

/**
 * For so long, slots that are due wait for a place to run in, while handlers are quick enough to make some: each then
 * starts in the step that creates it, and another node that has room can still have it. What waits longer, waits in the
 * storage, for other nodes, as long as these have room. If they have none, it goes on waiting here, as long as runs do end,
 * or the storage is what takes long.
 */
const longestHoldMs = 100

/**
 * Where most places are kept for calls under way, it is the storage that takes long, and places of other nodes would not
 * help: nothing is stored for them sooner than this.
 */
const longestHoldForCallsMs = 500

/**
 * While something waits in the storage although this node works it off quickly, no other node has room either: slots that
 * are due would only join it, at the cost of those that run. They wait longer then, as long as some run has ended within
 * this time: where everything is slow, what was claimed may wait for seconds before it runs. It is looked again so often.
 */
const longestRestMs = 10_000
const lookAgainMs = 1000

/**
 * Those that have waited for half of their misfire threshold join what waits all the same, but fewer of them than this
 * node takes from there: otherwise the storing of what cannot run yet leaves no time for runs, and less so all the time.
 */
const joinShare = 0.5
const mostJoining = 1000

/**
 * As long, a burst of requests waits for places, while handlers are quick: what starts in the step that creates it costs
 * the storage half as much. Fewer than {@link requestBurst} do not wait, so that none does that comes alone.
 */
const longestRequestHoldMs = 100
const requestBurst = 50

/** What needs a place to run in. */
export interface Occupant extends InLine {
  /** It has its place. */
  start(): void
  /** It has waited for a place for too long. */
  handBack(): void
}

/**
 * How much this node takes on, decided in one place. There are `limit` places. A place is held by an occurrence whose
 * tasks run, or kept for one that is being created or claimed. A few more occurrences than there are places may be
 * taken ahead while handlers are quick, see decision 0007: they wait here.
 *
 * Whoever wants to take something on asks here first: the slots that are due ({@link roomForSlot}), what waits in the
 * storage ({@link roomToClaim}), requests from outside ({@link roomForRequest}), what an end may take ({@link roomForNext}). A rule about who goes first, or who may
 * have how much, belongs here and nowhere else.
 *
 * Nobody is called by name. {@link room} says that slots which are held may look for a place again, {@link requestRoom}
 * that requests may, {@link work} that something may wait in the storage that this node has room for.
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
  readonly #pace: Pace
  readonly #offers: Offers
  readonly #places = new RenewedSet<Occupant>()
  /** Those that have no place yet. */
  readonly #waiting = new WaitingLine<Occupant>()
  #reserved = 0
  /** Of those, kept for requests that are under way. */
  #requested = 0
  #backlog = false
  /** Of what waits there, one that went before all others when this node looked last; `null`: not known. */
  #lastTaken: Ordered | null = null
  #heldForMs = 0
  /** Monotonic instant at which handlers of a run have ended by themselves last. */
  #leftAt = Number.NEGATIVE_INFINITY
  /** So many slots that are due may join what waits in the storage. */
  #mayJoin = 0
  /** Requests wait for a place. */
  #holdsRequests = false
  #claimEnds: Promise<void> | null = null
  #endClaim: () => void = () => undefined
  #filling = false
  #stopped = false

  constructor(
    engine: Pick<EngineContext, 'agenda' | 'clock'>,
    options: { readonly limit: number; readonly prefetch: number },
  ) {
    this.#engine = engine
    this.#limit = options.limit
    this.#prefetch = options.prefetch
    this.#pace = new Pace(options.limit)
    this.#offers = new Offers(options.limit)
    this.turns = new FairTurns(engine.clock)
    this.#requestHold = { at: 0, heapIndex: -1, ring: () => this.requestRoom.send() }
  }

  // ------------------------------------------------------------------------------------------------------------- room

  /** How many occurrences wait for a place. They have not begun. */
  get waitingCount(): number {
    return this.#waiting.size
  }

  /** Places that nothing holds and nothing is meant for. Negative while more are kept than there are. */
  get #free(): number {
    return this.#limit - this.#places.size - this.#reserved
  }

  /**
   * How many slots that are due may be started in the storage, up to one of a job with these settings: as many as there
   * are places, and a few ahead where it can wait for a place that will soon be free.
   */
  roomForSlot({ executionTimeoutMs, onInterrupted, startRate }: JobSettings): number {
    // Of what is taken ahead a crash leaves more behind than had begun: where that fails it, nothing is. And where starts
    // are counted, one that is handed back has used up a start for nothing.
    const canWait = executionTimeoutMs >= shortestTimeoutMs && onInterrupted === 'retry' && startRate === null
    const ahead = canWait ? Math.min(this.#prefetch, this.#pace.soonStarted) : 0
    return Math.max(0, this.#free + ahead - this.#waiting.size)
  }

  /** How many of those that wait in the storage may be taken. */
  roomToClaim(): number {
    return Math.max(0, this.#free)
  }

  /**
   * Whether a run that somebody asks for may start at once. Many may ask, and most of them may be skipped: what is due
   * goes first, and requests that are under way keep one half of the places at most.
   */
  roomForRequest(): boolean {
    return this.#roomForRequests > 0
  }

  get #roomForRequests(): number {
    if (this.#heldForMs > 0 || this.#backlog) return 0
    const share = Math.max(1, Math.floor(this.#limit / 2))
    return Math.min(this.#free, share - this.#requested)
  }

  /**
   * Whether an end may take the next occurrence of its job in the same step. Whatever else waits here or in the storage
   * may be older, and goes first.
   */
  roomForNext(): boolean {
    const isWaitedFor = this.#heldForMs > 0 || this.#holdsRequests || this.#waiting.size > 0
    return this.#free > 0 && !this.#backlog && !isWaitedFor && !this.#stopped
  }

  /**
   * How many of so many requests that wait to be sent go now, when the oldest has waited so long. For as many as there is
   * room for, it is now; the others wait as long as it seems that they will soon find some. Otherwise all of them go, and
   * those without room wait in the storage. {@link requestRoom} says when to ask again.
   */
  admitRequests(waiting: number, waitedMs: number): number {
    const room = Math.max(0, this.#roomForRequests)
    this.#holdsRequests = waiting > room && this.#findRoomSoon(waiting, waitedMs)
    if (!this.#holdsRequests) return waiting
    this.#engine.agenda.setAlarm(this.#requestHold, longestRequestHoldMs - waitedMs)
    return room
  }

  #findRoomSoon(waiting: number, waitedMs: number): boolean {
    // Where time stands while somebody waits, it would not pass.
    if (this.#engine.clock.isAuthoritative === true || this.#stopped) return false
    // What is held goes on to its end, and those that joined a backlog would make all that follow wait there too.
    const isBurst = waiting >= requestBurst || this.#holdsRequests
    return isBurst && waitedMs < longestRequestHoldMs && this.#pace.waitMs(waiting) < longestRequestHoldMs
  }

  /** Keeps a place for a request that is under way. */
  reserveRequest(): void {
    this.#requested++
    this.#reserved++
  }

  unreserveRequest(): void {
    this.#requested--
    this.#reserved--
    // A slot that is due may have waited for this very place.
    if (this.#heldForMs > 0) this.room.send()
    if (this.#holdsRequests) this.requestRoom.send()
    this.offerRoom()
  }

  /** Keeps places for occurrences that are being created or claimed. */
  reserve(count: number): void {
    this.#reserved += count
  }

  unreserve(count: number): void {
    this.#reserved -= count
  }

  /** From here to {@link claimEnded}, places are kept that may turn out not to be needed. */
  claimBegins(): void {
    this.#claimEnds = new Promise((resolve) => {
      this.#endClaim = resolve
    })
  }

  claimEnded(): void {
    this.#claimEnds = null
    this.#endClaim()
  }

  /** Resolves when no claim keeps places. */
  claimAnswered(): Promise<void> | null {
    return this.#claimEnds
  }

  // ----------------------------------------------------------------------------------------------------------- places

  /** Starts the occupant, or lets it wait for a place. */
  enter(occupant: Occupant): void {
    if (this.#places.size < this.#limit) {
      this.#places.add(occupant)
      occupant.start()
      return
    }
    if (this.#waiting.size === 0) this.#engine.agenda.setAlarm(this, longestWaitMs)
    this.#waiting.add(occupant, this.#engine.clock.monotonic())
  }

  /** The occupant needs no place any more. With `heldMs` its handlers have ended by themselves, after so long. */
  leave(occupant: Occupant, heldMs: number | null): void {
    if (!this.#places.delete(occupant)) {
      this.#waiting.delete(occupant)
      return
    }
    if (heldMs !== null) {
      this.#pace.held(heldMs)
      this.#leftAt = this.#engine.clock.monotonic()
    }
    this.#fill()
    if (this.#heldForMs > 0) this.room.send()
    if (this.#holdsRequests) this.requestRoom.send()
  }

  /** Starts what waits for a place. */
  #fill(): void {
    // At a shutdown nothing begins any more. A handler that ends at once makes room while it is being started.
    if (this.#stopped || this.#filling || this.#waiting.size === 0) return
    this.#filling = true
    while (this.#places.size < this.#limit) {
      const occupant = this.#waiting.shift()
      if (occupant === undefined) break
      this.#places.add(occupant)
      occupant.start()
    }
    this.#filling = false
    if (this.#waiting.size === 0) this.#engine.agenda.cancelAlarm(this)
  }

  /** Some handler takes longer than those before it: what waits behind it is left to nodes that have a place. */
  ring(): void {
    const now = this.#engine.clock.monotonic()
    for (const { one: occupant, since } of this.#waiting.byWait()) {
      const waitedMs = now - since
      if (waitedMs < longestWaitMs) {
        this.#engine.agenda.setAlarm(this, longestWaitMs - waitedMs)
        return
      }
      this.#pace.stalled(waitedMs)
      occupant.handBack()
    }
  }

  /** Nothing that waits begins any more. */
  stop(): void {
    this.#stopped = true
  }

  // ------------------------------------------------------------------------------------------------------------- hold

  /** For how long slots that are due still wait for a place before they are created without one. */
  get heldForMs(): number {
    return this.#heldForMs
  }

  /**
   * Whether a slot that is due waits for a place, when `taken` others go before it. What waits in the storage is older
   * and goes first, so then it waits there too, unless this node is about to work that off. One that is more urgent than
   * what is left there does not wait here: a claim takes it next.
   */
  holds(slot: number, settings: JobSettings, taken: number, now: number): boolean {
    const patienceMs = settings.misfireThresholdMs / 2
    if (this.#backlog) this.#heldForMs = this.#holdsBehindBacklog(slot, settings, patienceMs, now) ? lookAgainMs : 0
    else this.#heldForMs = this.#holdForPlace(taken - this.roomForSlot(settings), now - slot, patienceMs)
    return this.#heldForMs > 0
  }

  /** `beyond`: how many of those that go before it find no place either; negative when it finds one. */
  #holdForPlace(beyond: number, lateMs: number, patienceMs: number): number {
    if (beyond < 0) return 0
    if (lateMs < longestHoldMs) return Math.max(0, Math.min(longestHoldMs, patienceMs) - lateMs)
    return lateMs < patienceMs && this.#keeps(beyond, lateMs) ? Math.min(longestHoldMs, patienceMs - lateMs) : 0
  }

  /** Whether a slot that other nodes could have is kept for a place on this one. */
  #keeps(beyond: number, lateMs: number): boolean {
    const now = this.#engine.clock.monotonic()
    const waitsForCalls = this.#places.size < this.#limit / 2
    if (!this.#pace.isQuick || (!waitsForCalls && now - this.#leftAt >= longestHoldMs)) return false
    return (waitsForCalls && lateMs < longestHoldForCallsMs) || !this.#offers.admits(beyond, now)
  }

  /** Something else that is held is looked at again sooner. */
  holdAtMost(ms: number): void {
    this.#heldForMs = Math.min(this.#heldForMs, ms)
  }

  #holdsBehindBacklog(slot: number, { priority }: JobSettings, patienceMs: number, now: number): boolean {
    const last = this.#lastTaken
    const isUrgent =
      last !== null &&
      priority > (last.details.priority ?? 0) &&
      orderAt({ scheduledAt: slot, details: { priority } }) < orderAt(last)
    return !isUrgent && this.#worksQuickly && !this.#joins(slot + patienceMs - now)
  }

  #joins(leftMs: number): boolean {
    if (leftMs > 0 || this.#mayJoin < 1) return false
    this.#mayJoin--
    return true
  }

  get #worksQuickly(): boolean {
    return this.#pace.isQuick && this.#engine.clock.monotonic() - this.#leftAt < longestRestMs
  }

  /** No slot is known to wait for a place. */
  endHold(): void {
    this.#heldForMs = 0
  }

  // ---------------------------------------------------------------------------------------------------------- backlog

  /** Something that is due waits in the storage, as far as this node knows. */
  get hasBacklog(): boolean {
    return this.#backlog
  }

  /** Something waits in the storage that a node with room may take. */
  workAppeared(): void {
    this.#backlog = true
    this.work.send()
  }

  /** So many slots that are due are being stored without a start. */
  storing(count: number): void {
    this.#offers.sent(count)
  }

  /** As {@link workAppeared}, when this node has stored it: whoever has room first takes it. */
  workStored(handlerKey: string): void {
    this.#offers.stored()
    this.turns.stored(handlerKey)
    this.workAppeared()
  }

  /** Whether something was left in the storage when this node took so many from it last, and which it took last. */
  workLeft(more: boolean, taken: number, last?: Ordered): void {
    this.#backlog = more
    this.#offers.took(taken)
    if (!more) this.#offers.ended(this.#engine.clock.monotonic())
    if (!more) this.#lastTaken = null
    else if (last !== undefined) this.#lastTaken = last
    this.#mayJoin = more ? Math.min(this.#mayJoin + taken * joinShare, mostJoining) : 0
    if (!more && this.#heldForMs > 0) this.room.send()
    if (this.#holdsRequests) this.requestRoom.send()
  }

  /** There may be room again for what waits in the storage. */
  offerRoom(): void {
    if (this.#backlog) this.work.send()
  }
}
