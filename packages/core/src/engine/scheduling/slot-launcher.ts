import { handlerKeyOf } from '../../job/job-document.ts'
import type { Capacity } from '../execution/capacity.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { AfterTurn, nextTurn } from '../runtime/after-turn.ts'
import type { Agenda } from '../runtime/agenda.ts'
import { BackgroundLoop, failInBackground } from '../runtime/background-loop.ts'
import { worthACall } from '../storage-access/batcher.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { RenewedSet } from '../runtime/renewed-set.ts'
import type { ShardAssignment } from '../cluster/shard-assignment.ts'
import type { OverdueTakeover } from './overdue-takeover.ts'
import { type LateSlot, lateSlotOf, type Recovery } from './recovery.ts'
import type { DueSlot, SlotCreator } from './slot-creator.ts'
import { dueLookMs } from './tuning.ts'

/** The last stretch in which the storage failed. In epoch milliseconds, both inclusive. */
interface Outage {
  readonly from: number
  readonly until: number
}

const noOutage: Outage = { from: Number.POSITIVE_INFINITY, until: Number.NEGATIVE_INFINITY }

/**
 * Whether several slots of the job came due while the storage failed. Created one after the other, all but the first would
 * meet an active run: then the recovery strategy decides instead of the overlap policy.
 */
function wasMissedIn({ from, until }: Outage, { at, series }: RegisteredJob): boolean {
  if (at < from || at > until) return false
  try {
    const next = series.nextMs(at)
    return next !== null && next <= until
  } catch {
    // The recovery meets the same failure, and reports it.
    return true
  }
}

/** Where slots are taken from when they are due. */
export type SlotAgenda = Pick<Agenda<RegisteredJob>, 'setSlot' | 'peekDueSlot' | 'peekSlot' | 'slotsLaunched'>

/**
 * Takes what is due off the agenda: the slots of one instant are created together, and missed ones are recovered beside
 * that, as this may take long.
 */
export class SlotLauncher {
  readonly #engine: EngineContext
  readonly #agenda: SlotAgenda
  readonly #registry: JobRegistry
  readonly #capacity: Capacity
  readonly #creator: SlotCreator
  readonly #recovery: Recovery
  readonly #assignment: Pick<ShardAssignment, 'rankOf'>
  readonly #overdue: Pick<OverdueTakeover, 'answered' | 'left' | 'passed'>
  readonly #findsDueJobs: boolean
  readonly #loop: BackgroundLoop
  /** Places that become free together are filled together. */
  readonly #kick = new AfterTurn(() => this.launch())
  readonly #callsUnderWay = new RenewedSet<Promise<void>>()

  constructor(
    engine: EngineContext,
    options: {
      agenda: SlotAgenda
      registry: JobRegistry
      capacity: Capacity
      creator: SlotCreator
      recovery: Recovery
      assignment: Pick<ShardAssignment, 'rankOf'>
      overdue: Pick<OverdueTakeover, 'answered' | 'left' | 'passed'>
      /** Whether what others have not launched is found in the storage: of what is left to them nothing need be noted. */
      findsDueJobs: boolean
    },
  ) {
    this.#engine = engine
    this.#agenda = options.agenda
    this.#registry = options.registry
    this.#capacity = options.capacity
    this.#creator = options.creator
    this.#recovery = options.recovery
    this.#assignment = options.assignment
    this.#overdue = options.overdue
    this.#findsDueJobs = options.findsDueJobs
    this.#loop = new BackgroundLoop(engine, { name: 'launch', round: () => this.#launchAndWait() })
    this.#capacity.room.listen(() => this.#kick.ask())
  }

  /** Launches nothing more; resolves when what is under way has been answered. */
  async stop(): Promise<void> {
    const recovered = this.#recovery.stop()
    await this.#loop.stop()
    await Promise.all(this.#callsUnderWay)
    await recovered
  }

  /** Launches everything that is due. */
  launch(): void {
    this.#loop.run()
  }

  /**
   * Launches everything that is due; resolves when the storage has answered what could be sent. Of jobs that are late it
   * may not be decided by then, see {@link recovered}.
   */
  async launched(): Promise<void> {
    await this.#loop.underWay
    this.#loop.run()
    await this.#loop.underWay
    await Promise.all(this.#callsUnderWay)
  }

  /** Whether it is not decided yet what becomes of slots that were missed. */
  get isRecovering(): boolean {
    return this.#recovery.isAtWork
  }

  /** Resolves when that is decided. */
  recovered(): Promise<void> {
    return this.#recovery.settled()
  }

  async #launchAndWait(): Promise<void> {
    let isDone = true
    try {
      isDone = await this.#launchDue()
    } finally {
      if (isDone && !this.#loop.isAskedAgain) {
        this.#agenda.slotsLaunched(this.#engine.isHeldBack ? dueLookMs : this.#capacity.heldForMs)
      }
    }
  }

  /** False when more is due: it is looked for as soon as a call that is under way has been answered. */
  async #launchDue(): Promise<boolean> {
    const enough = Math.min(worthACall, this.#engine.maxBatch)
    while (!this.#loop.isStopped) {
      this.#capacity.endHold()
      if (!this.#creator.hasRoom(enough)) return false
      // With the places that a claim keeps for nothing, slots that are due would have to wait in the storage.
      await this.#capacity.claimAnswered()
      const now = this.#engine.now()
      if (this.#engine.isHeldBack) return true
      const { due, late } = this.#takeDue(now)
      if (due.length === 0 && late.length === 0) return true
      if (late.length > 0) this.#recover(late)
      if (due.length > 0 && !this.#creator.hasRoom(due.length)) {
        for (const { job, slot } of due) this.#agenda.setSlot(job, slot)
        return false
      }
      // More is due than there is room for: while the storage works on one half, this node works on the other.
      const isFull = this.#capacity.heldForMs > 0 && this.#callsUnderWay.size === 0 && due.length >= 2 * enough
      const half = isFull ? Math.ceil(due.length / 2) : due.length
      if (due.length > 0) this.#create(due.slice(0, half), now)
      if (half < due.length) this.#create(due.slice(half), now)
      // What is worth a call leaves before the next one is put together: the storage works on one while the node works on the other.
      if (due.length + late.length >= enough) await nextTurn()
    }
    return true
  }

  /** Takes a batch of what is due off the agenda: what is to be created, and what was missed. */
  #takeDue(now: number): { readonly due: readonly DueSlot[]; readonly late: readonly LateSlot[] } {
    const due: DueSlot[] = []
    const late: LateSlot[] = []
    let starting = 0
    const outage = this.#lastOutage(now)
    while (due.length + late.length < this.#engine.maxBatch) {
      const job = this.#nextDue(starting, now)
      if (job === undefined) break
      const plan = this.#registry.plans.planOf(job)
      this.#agenda.setSlot(job, null)
      if (job.inFlight !== 'no') {
        job.inFlight = 'and due again'
        continue
      }
      // A node that lacks a handler leaves the job to the others.
      if (plan === null) {
        this.#overdue.answered(job, job.at, 'nobody')
        continue
      }
      if (now - job.at > plan.settings.misfireThresholdMs || wasMissedIn(outage, job)) {
        late.push(lateSlotOf(job, plan, outage.until))
      } else {
        due.push({ job, plan, slot: job.at, now, item: null, starting: null })
        if (job.at >= job.pausedUntil) starting++
      }
    }
    return { due, late }
  }

  #lastOutage(now: number): Outage {
    const last = this.#engine.storage.lastOutage
    return last === null ? noOutage : { from: now - last.beganAgoMs, until: now - last.endedAgoMs }
  }

  /** The next that is due and does not wait for a place, when `starting` others go before it. */
  #nextDue(starting: number, now: number): RegisteredJob | undefined {
    for (;;) {
      const first = this.#agenda.peekDueSlot(now)
      if (first === undefined) return undefined
      if (this.#passes(first)) continue
      if (!this.#holds(first, starting, now)) return first
      // What is less urgent may have been held for as long as slots are.
      const oldest = this.#agenda.peekSlot()
      if (oldest === undefined || oldest === first) return undefined
      if (this.#passes(oldest)) continue
      const { heldForMs } = this.#capacity
      if (!this.#holds(oldest, starting, now)) return oldest
      this.#capacity.holdAtMost(heldForMs)
      return undefined
    }
  }

  /** Whether the slot is left to a node that goes before this one. */
  #passes(job: RegisteredJob): boolean {
    const rank = job.isOverdue ? 0 : this.#assignment.rankOf(job)
    // What this node leaves to others needs no plan here, as long as it has the code that it has told them of.
    if (rank === 0 || job.plan === null) return false
    if (this.#findsDueJobs) {
      this.#overdue.left(job.at)
      this.#registry.leave(job)
    } else {
      this.#overdue.passed(job, job.at, rank)
      this.#registry.pass(job)
    }
    return true
  }

  #holds(job: RegisteredJob, starting: number, now: number): boolean {
    const plan = this.#registry.plans.planOf(job)
    // What does not start needs no place, and a newcomer has its turn with the next claim.
    const isNewcomer = this.#capacity.hasBacklog && this.#capacity.turns.isNewcomer(handlerKeyOf(job.job))
    if (plan !== null && job.at >= job.pausedUntil && !isNewcomer) {
      return this.#capacity.holds(job.at, plan.settings, starting, now)
    }
    this.#capacity.endHold()
    return false
  }

  #recover(late: readonly LateSlot[]): void {
    for (const { job } of late) job.inFlight = 'yes'
    this.#recovery.recover(late, this.#recoveryEnded)
  }

  readonly #recoveryEnded = (job: RegisteredJob): void => {
    this.#letGo(job)
    this.#kick.ask()
  }

  #create(due: readonly DueSlot[], now: number): void {
    for (const { job } of due) job.inFlight = 'yes'
    const call = this.#creator
      .create(due, now)
      .catch((error) => failInBackground(this.#engine, 'launch', error))
      .finally(() => {
        this.#callsUnderWay.delete(call)
        for (const { job } of due) this.#letGo(job)
        this.#kick.ask()
      })
    this.#callsUnderWay.add(call)
  }

  #letGo(job: RegisteredJob): void {
    const isDueAgain = job.inFlight === 'and due again'
    job.inFlight = 'no'
    // A job that was removed meanwhile, and may have come back as another object, is left alone.
    if (isDueAgain && this.#registry.holds(job)) this.#registry.reload(job)
  }
}
