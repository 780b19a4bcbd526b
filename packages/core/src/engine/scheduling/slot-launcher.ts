import { handlerKeyOf } from '../../job/job-document.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { AfterTurn, nextTurn } from '../runtime/after-turn.ts'
import type { Agenda } from '../runtime/agenda.ts'
import { BackgroundLoop, failInBackground } from '../runtime/background-loop.ts'
import { worthACall } from '../storage-access/tuning.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { RecentOutage } from '../storage-access/retrying-storage.ts'
import { RenewedMap } from '../runtime/renewed-map.ts'
import type { ShardAssignment } from '../cluster/shard-assignment.ts'
import type { LaunchParts } from './overdue-takeover.ts'
import type { Claimer } from './claimer.ts'
import { type LateSlot, lateSlotOf, type Recovery } from './recovery.ts'
import type { DueSlot, SlotCreator } from './slot-creator.ts'
import { lookMs } from '../../tuning.ts'

/**
 * Returns whether several slots of the job came due during the last outage of the storage. If so, the recovery strategy decides
 * on these slots. Without this rule, the node would create the slots one after the other. The overlap policy would then decide
 * on all but the first.
 */
function wasMissedIn(outage: RecentOutage | null, { at, series }: RegisteredJob, now: number): boolean {
  if (outage === null || now - at > outage.beganAgoMs || now - at < outage.endedAgoMs) return false
  try {
    const next = series.nextMs(at)
    return next !== null && now - next >= outage.endedAgoMs
  } catch {
    // The schedule has thrown. Leave the slot to the recovery, which calls the same schedule and reports its error.
    return true
  }
}

interface SlotLauncherParts extends LaunchParts {
  /** The agenda, from which the launcher takes due slots. */
  readonly agenda: Agenda<RegisteredJob>
  readonly claimer: Pick<Claimer, 'underWay'>
  readonly creator: SlotCreator
  readonly recovery: Recovery
  readonly assignment: Pick<ShardAssignment, 'rankOf'>
}

/**
 * Takes due slots off the agenda. One storage call creates the slots that are due together. Missed slots go to the recovery,
 * which runs concurrently because it may take minutes.
 */
export class SlotLauncher {
  readonly #engine: EngineContext
  readonly #parts: SlotLauncherParts
  readonly #loop: BackgroundLoop
  /**
   * At most one launch starts per turn of the event loop. So if several permits become free together, a single launch fills all
   * of them.
   */
  readonly #kick = new AfterTurn(() => this.launch())
  readonly #callsUnderWay = new RenewedMap<Promise<void>, true>()

  constructor(engine: EngineContext, parts: SlotLauncherParts) {
    this.#engine = engine
    this.#parts = parts
    this.#loop = new BackgroundLoop(engine, { name: 'launch', round: () => this.#launchAndWait() })
    this.#parts.capacity.room.listen(() => this.#kick.ask())
    this.#parts.recovery.ended = (job) => {
      this.#letGo(job)
      this.#kick.ask()
    }
  }

  /** Starts no further launch. Resolves when the storage has answered all calls in progress. */
  async stop(): Promise<void> {
    const recovered = this.#parts.recovery.stop()
    await this.#loop.stop()
    await Promise.all(this.#callsUnderWay.keys())
    await recovered
  }

  /** Launches all due slots. Does not wait for the storage. */
  launch(): void {
    this.#loop.run()
  }

  /**
   * Launches all due slots. Resolves when the storage has answered all calls. Decisions about missed slots may still be in
   * progress.
   */
  async launched(): Promise<void> {
    await this.#loop.underWay
    this.#loop.run()
    await this.#loop.underWay
    await Promise.all(this.#callsUnderWay.keys())
  }

  async #launchAndWait(): Promise<void> {
    let isDone = true
    try {
      isDone = await this.#launchDue()
    } finally {
      if (isDone && !this.#loop.isAskedAgain) {
        this.#parts.agenda.slotsLaunched(this.#engine.isHeldBack ? lookMs : this.#parts.capacity.heldForMs)
      }
    }
  }

  /**
   * Launches due slots. Returns false if more slots are due and too many calls are in progress. The answer to one of these
   * calls then starts the next launch.
   */
  async #launchDue(): Promise<boolean> {
    const enough = Math.min(worthACall, this.#engine.maxBatch)
    while (!this.#loop.isStopped) {
      this.#parts.capacity.heldForMs = 0
      if (!this.#parts.creator.hasRoom(enough)) return false
      // A claim in progress has reserved permits that it perhaps will not use. If the launcher did not wait for the claim, it
      // would store due slots as pending although permits become free.
      await this.#parts.claimer.underWay
      const now = this.#engine.now()
      if (this.#engine.isHeldBack) return true
      const { due, late } = this.#takeDue(now)
      if (due.length === 0 && late.length === 0) return true
      for (const { job } of late) job.inFlight = 'yes'
      if (late.length > 0) this.#parts.recovery.recover(late)
      if (due.length > 0 && !this.#parts.creator.hasRoom(due.length)) {
        for (const { job, slot } of due) this.#parts.agenda.setSlot(job, slot)
        return false
      }
      // `heldForMs` is above 0 if the launcher held a slot back because no permit was free: this node is full. A full node
      // sends many slots in two calls. The storage then processes one call while the node processes the answer to the other.
      const isFull = this.#parts.capacity.heldForMs > 0 && this.#callsUnderWay.size === 0 && due.length >= 2 * enough
      const half = isFull ? Math.ceil(due.length / 2) : due.length
      if (due.length > 0) this.#create(due.slice(0, half), now)
      if (half < due.length) this.#create(due.slice(half), now)
      // After a large call, wait for the next turn of the event loop. The call is then sent before the node prepares the next
      // call, so the storage and the node work at the same time.
      if (due.length + late.length >= enough) await nextTurn()
    }
    return true
  }

  /** Takes a batch of due slots off the agenda. `due`: slots to create. `late`: missed slots, for the recovery. */
  #takeDue(now: number): { readonly due: readonly DueSlot[]; readonly late: readonly LateSlot[] } {
    const due: DueSlot[] = []
    const late: LateSlot[] = []
    let starting = 0
    const outage = this.#engine.storage.outage.last
    const missedUntil = outage === null ? Number.NEGATIVE_INFINITY : now - outage.endedAgoMs
    while (due.length + late.length < this.#engine.maxBatch) {
      const job = this.#nextDue(starting, now)
      if (job === undefined) break
      const plan = this.#parts.registry.plans.planOf(job)
      this.#parts.agenda.setSlot(job, null)
      if (job.inFlight !== 'no') {
        job.inFlight = 'and due again'
        continue
      }
      // This node lacks a handler of the job. So the job stays off the agenda until this node adopts the job's head again.
      if (plan === null) {
        this.#parts.overdue.answered(job, 0)
        continue
      }
      if (now - job.at > plan.settings.misfireThresholdMs || wasMissedIn(outage, job, now)) {
        late.push(lateSlotOf(job, plan, missedUntil))
      } else {
        due.push({ job, plan, slot: job.at, now, item: null, starting: null })
        if (job.at >= job.pausedUntil) starting++
      }
    }
    return { due, late }
  }

  /**
   * Returns the next job whose due slot can be launched; `undefined`: no such job is left. Leaves out slots that the launcher
   * holds back. `starting`: number of slots that this launch has already taken, without slots in a pause.
   */
  #nextDue(starting: number, now: number): RegisteredJob | undefined {
    for (;;) {
      const first = this.#parts.agenda.peekDueSlot(now)
      if (first === undefined) return undefined
      if (this.#passes(first)) continue
      if (!this.#holds(first, starting, now)) return first
      // The most urgent slot is held back. The oldest slot may be another one, with a lower priority. If it was held back for
      // the maximum time, it may be launched now.
      const oldest = this.#parts.agenda.peekSlot()
      if (oldest === undefined || oldest === first) return undefined
      if (this.#passes(oldest)) continue
      const { heldForMs } = this.#parts.capacity
      if (!this.#holds(oldest, starting, now)) return oldest
      this.#parts.capacity.heldForMs = Math.min(this.#parts.capacity.heldForMs, heldForMs)
      return undefined
    }
  }

  /**
   * Leaves the job's slot to the nodes that rank before this node. Returns whether the slot was left. A slot that this node has
   * taken over (`isOverdue`) is never left.
   */
  #passes(job: RegisteredJob): boolean {
    const rank = job.isOverdue ? 0 : this.#parts.assignment.rankOf(job)
    // If the job has no plan, do not leave its slot to peers here: `#takeDue` takes the job off the agenda.
    if (rank === 0 || job.plan === null) return false
    this.#parts.overdue.passed(job, job.at)
    this.#parts.registry.pass(job)
    return true
  }

  /** Returns whether the launcher holds the job's due slot back. It does so if the slot needs a permit and none is free. */
  #holds(job: RegisteredJob, starting: number, now: number): boolean {
    const plan = this.#parts.registry.plans.planOf(job)
    // Slots of a paused job do not start, so they need no permit. A newcomer's slot is not held back, because the next claim
    // gives the newcomer its turn.
    const isNewcomer = this.#parts.capacity.hasBacklog && this.#parts.capacity.turns.isNewcomer(handlerKeyOf(job.job))
    if (plan !== null && job.at >= job.pausedUntil && !isNewcomer) {
      return this.#parts.capacity.holds(job.at, plan.settings, starting, now)
    }
    this.#parts.capacity.heldForMs = 0
    return false
  }

  #create(due: readonly DueSlot[], now: number): void {
    for (const { job } of due) job.inFlight = 'yes'
    const call = this.#parts.creator
      .create(due, now)
      .catch((error) => failInBackground(this.#engine, 'launch', error))
      .finally(() => {
        this.#callsUnderWay.delete(call)
        for (const { job } of due) this.#letGo(job)
        this.#kick.ask()
      })
    this.#callsUnderWay.set(call, true)
  }

  #letGo(job: RegisteredJob): void {
    this.#parts.overdue.answered(job, 0)
    const isDueAgain = job.inFlight === 'and due again'
    job.inFlight = 'no'
    // If the job was removed meanwhile, the registry may hold a new job object for the same id. The removed object is not
    // reloaded.
    if (isDueAgain && this.#parts.registry.holds(job)) this.#parts.registry.reload(job)
  }
}
