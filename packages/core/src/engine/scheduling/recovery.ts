import type { RecoveryStrategy } from '../../configuration/settings.ts'
import { missedRangeId, occurrenceId } from '../../ids.ts'
import { prioritized } from '../../job/prioritized.ts'
import type { OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { CreateAnswer, CreateRecovery as RecoveryItem } from '../../storage/storage.ts'
import type { Capacity } from '../execution/capacity.ts'
import type { JobPlan } from '../definitions/job-plan.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import { leaveOut, leaveUnscheduled, lookAgain } from '../definitions/leave-out.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { SlotSeries } from '../definitions/slot-series.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { EngineStopped, failInBackground } from '../runtime/background-loop.ts'
import { Batcher, worthACall } from '../storage-access/batcher.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { Semaphore } from '../runtime/semaphore.ts'
import type { YieldBudget } from '../runtime/yield-budget.ts'
import type { OverdueTakeover } from './overdue-takeover.ts'
import { RecordedSlots, type JobSlot } from './recorded-slots.ts'
import { type RecordedAhead, decideMissedSlots, type RecoveryDecision, slotsToLookAt } from './missed-slots.ts'
import { decisionsAtOnce, enoughEntries, largeDecisionsAtOnce, recoveryStep } from './tuning.ts'

const noDetails: OccurrenceDetails = Object.freeze({})

/**
 * A job that is late, as it was when it was found to be. What somebody does to the job meanwhile, here or on another node,
 * must not mix with it: a decision about these slots under a newer watermark or version would be taken for one about the
 * slots after.
 */
export interface LateSlot {
  readonly job: RegisteredJob
  readonly plan: JobPlan
  readonly slot: number
  readonly version: number
  readonly createdAt: number
  readonly watermark: number
  readonly pausedUntil: number
  readonly series: SlotSeries
  /** Slots up to this instant are missed, even if they are less late than the threshold of the job. */
  readonly missedUntil: number
}

export function lateSlotOf(job: RegisteredJob, plan: JobPlan, missedUntil: number): LateSlot {
  const { at: slot, version, createdAt, watermark, pausedUntil, series } = job
  return { job, plan, slot, version, createdAt, watermark, pausedUntil, series, missedUntil }
}

/** A late job that is decided about, and whom to tell when that is over, whatever has come of it. */
interface Pending {
  readonly late: LateSlot
  readonly ended: (job: RegisteredJob) => void
}

/** What was decided, and is to be stored. */
interface Decided {
  readonly pending: Pending
  readonly decision: RecoveryDecision
  readonly item: RecoveryItem
}

/** The job is another one by now: what was decided, or was about to be, holds for it no more. */
const superseded: unique symbol = Symbol('superseded')

/** What there is to decide about a late job. */
function missedSlotsOf({ plan, slot, pausedUntil, series, missedUntil }: LateSlot, now: number) {
  const { misfireThresholdMs, recoveryStrategy } = plan.settings
  const isPaused = slot < pausedUntil
  const strategy: RecoveryStrategy = isPaused ? { type: 'mark_as_missed' } : recoveryStrategy
  // What was missed after a pause is decided by itself, in the next round.
  const late = Math.max(now - misfireThresholdMs - 1, Math.min(missedUntil, now))
  const last = isPaused ? Math.min(late, pausedUntil - 1) : late
  // The wall clock may have been set back since the slot was found late.
  return { series, first: slot, until: Math.max(slot, last), strategy }
}

/**
 * Slots that nobody ran in time: what becomes of them is each job's recovery strategy. To count those of a long outage
 * takes seconds, and minutes where there are many: jobs are decided about beside each other, and beside all else.
 */
export class Recovery {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #capacity: Capacity
  readonly #overdue: Pick<OverdueTakeover, 'answered' | 'isBehind'>
  readonly #enough: number
  /** Late jobs that have not been begun with. */
  readonly #waiting: Pending[] = []
  /** Late jobs that are being decided about, or whose decision is being stored. */
  readonly #atWork = new Set<Pending>()
  readonly #creates: Batcher<Decided, RecoveryItem, CreateAnswer>
  /**
   * Permits for decisions of many runs, each held until it is stored. The other decisions are quick to store, and wait for
   * few of these.
   */
  readonly #large = new Semaphore<Pending>(largeDecisionsAtOnce)
  readonly #beginning = new AfterTurn(() => this.#begin())
  #isStopped = false
  #idle: (() => void)[] = []

  constructor(
    engine: EngineContext,
    options: { registry: JobRegistry; capacity: Capacity; overdue: Pick<OverdueTakeover, 'answered' | 'isBehind'> },
  ) {
    this.#engine = engine
    this.#overdue = options.overdue
    this.#registry = options.registry
    this.#capacity = options.capacity
    this.#enough = Math.min(worthACall, engine.maxBatch)
    const { owner } = engine
    this.#creates = new Batcher(engine, {
      operation: 'createOccurrences',
      maxSize: enoughEntries - 1,
      sizeOf: ({ entries }) => entries.length,
      make: (decided, now) => (this.#stillHolds(decided, now) ? decided.item : null),
      send: (storage, items, now) => storage.createOccurrences({ now, owner, items }),
      answered: (decided, _item, answer) => this.#answered(decided, answer),
      rejected: ({ pending: { late } }, _item, error) => {
        leaveOut(engine, this.#registry, late.job, error)
        this.#overdue.answered(late.job, late.slot, 'nobody')
      },
      aborted: ({ pending }) => this.#unanswered(pending),
      failed: (error) => failInBackground(engine, 'launch', error),
      callEnded: (stored) => {
        for (const { pending } of stored) this.#end(pending)
      },
    })
  }

  /** Whether there are jobs about which it is not decided. */
  get isAtWork(): boolean {
    return this.#atWork.size > 0 || this.#waiting.length > 0
  }

  /**
   * Decides about the slots that were missed, and stores that. `ended` is told of each job once that is over, whatever has
   * come of it; until then nobody else may launch slots of the job here. Each job's decision is one step on its
   * watermark, so of several nodes that come to it at once, one wins.
   */
  recover(late: readonly LateSlot[], ended: (job: RegisteredJob) => void): void {
    for (const one of late) this.#waiting.push({ late: one, ended })
    this.#begin()
  }

  /** Resolves when nothing is left to decide, or to store. */
  async settled(): Promise<void> {
    if (this.isAtWork) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Decides nothing more; resolves when what is being stored has been answered. */
  stop(): Promise<void> {
    this.#isStopped = true
    this.#large.stop()
    this.#creates.stop()
    this.#waiting.length = 0
    this.#sayIdle()
    return this.settled()
  }

  #begin(): void {
    if (this.#isStopped) this.#waiting.length = 0
    const atWork = this.#atWork.size - this.#large.waiting
    const count = Math.min(this.#waiting.length, decisionsAtOnce - atWork)
    // Those that are begun with together cost one call, and mostly end together.
    if (count <= 0 || (count < this.#waiting.length && count < this.#enough)) return
    const group = this.#waiting.splice(0, count)
    for (const pending of group) this.#atWork.add(pending)
    const now = this.#engine.now()
    const looking = this.#lookForRecorded(group, now)
    looking.catch((error) => failInBackground(this.#engine, 'launch', error))
    for (const pending of group) void this.#decide(pending, now, looking)
  }

  #end(pending: Pending): void {
    const { late, ended } = pending
    // One decision may end twice: its call is over although its answer could not be processed.
    if (!this.#atWork.delete(pending)) return
    this.#large.release(pending)
    ended(late.job)
    if (this.#waiting.length > 0) this.#beginning.ask()
    this.#sayIdle()
  }

  #sayIdle(): void {
    if (this.isAtWork) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** For most jobs, what became of a few slots is all that there is to know: one call for all of them. */
  async #lookForRecorded(group: readonly Pending[], now: number): Promise<RecordedSlots> {
    const slots: JobSlot[] = []
    for (const { late } of group) {
      const jobId = late.job.job.id
      try {
        const looking = slotsToLookAt({ ...missedSlotsOf(late, now), turns: this.#turnsOf(late) })
        for (const slot of await looking) slots.push({ jobId, slot })
      } catch {
        // The decision about this job's slots will say so.
      }
    }
    if (this.#isStopped) throw new EngineStopped()
    const recorded = new RecordedSlots(this.#engine)
    await recorded.look(slots)
    return recorded
  }

  async #decide(pending: Pending, now: number, looking: Promise<RecordedSlots>): Promise<void> {
    const { late } = pending
    const recorded = await looking.catch(() => null)
    if (recorded === null) {
      this.#unanswered(pending)
      return
    }
    try {
      this.#assertWanted(late)
      const { id } = late.job.job
      const ofJob: RecordedAhead = {
        among: (slots) => {
          this.#assertWanted(late)
          return recorded.among(id, slots)
        },
        between: (from, to) => recorded.between(id, from, to),
      }
      const turns = this.#turnsOf(late)
      const missed = missedSlotsOf(late, now)
      const judged = { ...missed, now, limit: recoveryStep, recorded: ofJob, turns }
      const decision = await decideMissedSlots({ ...judged, roomForMany: () => this.#roomForMany(pending) })
      const item = this.#itemFor(late, decision)
      // What took long in that is named, too.
      const turn = turns.stepped()
      if (turn !== null) await turn
      this.#assertWanted(late)
      this.#creates.add({ pending, decision, item })
    } catch (error) {
      this.#undecided(late, error)
      this.#end(pending)
    }
  }

  #roomForMany(pending: Pending): Promise<void> | null {
    this.#assertWanted(pending.late)
    const room = this.#large.acquire(pending)
    if (room === null) return null
    // Another job may be begun with instead.
    if (this.#waiting.length > 0) this.#beginning.ask()
    return room.then(() => {
      this.#assertWanted(pending.late)
      this.#engine.yieldBudget.begin()
    })
  }

  #undecided(late: LateSlot, error: unknown): void {
    const { job, slot } = late
    if (this.#isStopped || error instanceof EngineStopped) return
    this.#overdue.answered(job, slot, 'nobody')
    if (error !== superseded) leaveUnscheduled(this.#engine, this.#registry, job, error)
    // One that was removed, and may have come back as another, is left alone.
    else if (this.#registry.holds(job)) this.#registry.reload(job)
  }

  /** The storage has failed for good, and that was said. */
  #unanswered(pending: Pending): void {
    const { job, slot } = pending.late
    if (!this.#isStopped) {
      this.#overdue.answered(job, slot, 'nobody')
      lookAgain(this.#engine, this.#registry, job)
    }
    this.#end(pending)
  }

  #assertWanted(late: LateSlot): void {
    if (this.#isStopped) throw new EngineStopped()
    if (!this.#isAsFound(late)) throw superseded
  }

  /** Whether nobody has done anything to the job, as far as this node knows. */
  #isAsFound({ job, version, createdAt, watermark, pausedUntil }: LateSlot): boolean {
    const isSame = job.version === version && job.createdAt === createdAt && job.watermark === watermark
    return isSame && job.pausedUntil === pausedUntil && this.#registry.holds(job)
  }

  /** To count may have taken long: a decision is stored only if it holds for the job as it is now. */
  #stillHolds({ pending, decision }: Decided, now: number): boolean {
    const { agenda, isHeldBack } = this.#engine
    const { late } = pending
    // The time may have been set back, too.
    const holds = this.#isAsFound(late) && decision.lastSlot <= now
    if (holds && !isHeldBack) return true
    if (holds) {
      this.#overdue.answered(late.job, late.slot, 'nobody')
      agenda.setSlot(late.job, late.slot)
    } else this.#undecided(late, superseded)
    this.#end(pending)
    return false
  }

  /** For counting slots of this job: its schedule is asked from here on, and named when it holds the event loop. */
  #turnsOf(late: LateSlot): Pick<YieldBudget, 'stepped'> {
    const { yieldBudget } = this.#engine
    const { name } = late.job.job
    yieldBudget.begin()
    return {
      stepped: () => {
        const turn = yieldBudget.stepped()
        if (turn === null) return null
        this.#engine.heldLoop(name, yieldBudget.lastStepsMs)
        return turn.then(() => this.#assertWanted(late))
      },
    }
  }

  #itemFor({ job, plan, version, watermark, pausedUntil, series }: LateSlot, decision: RecoveryDecision): RecoveryItem {
    const { id: jobId } = job.job
    const { executionTimeoutMs } = plan.settings
    return {
      kind: 'recovery',
      id: occurrenceId(jobId, decision.lastSlot),
      jobId,
      scheduledAt: decision.lastSlot,
      jobVersion: version,
      expectedWatermark: watermark,
      watermark: decision.lastSlot,
      nextAt: series.nextMs(decision.lastSlot),
      entries: decision.entries.map((entry) => {
        if (entry.kind === 'missed') {
          const reason = decision.lastSlot < pausedUntil ? 'paused' : plan.settings.recoveryStrategy.type
          const { span } = entry
          const id = span.count > 1 ? missedRangeId(jobId, span.from) : occurrenceId(jobId, span.from)
          return { kind: 'missed', id, scheduledAt: span.from, reason, span }
        }
        const { span } = entry
        const details = prioritized(span === null ? noDetails : { span }, plan.settings.priority)
        // A run is that of its slot, also one that covers more: no other record can come to stand for this instant.
        const id = occurrenceId(jobId, entry.slot)
        return { kind: 'run', id, scheduledAt: entry.slot, executionTimeoutMs, details }
      }),
    }
  }

  #say({ pending, decision, item }: Decided): void {
    const { events, logger } = this.#engine
    const { job, plan, pausedUntil } = pending.late
    const { id: jobId, name: jobName } = job.job
    const { count: missed, toRun } = decision
    const isPaused = item.scheduledAt < pausedUntil
    const decided = {
      strategy: isPaused ? 'mark_as_missed' : plan.settings.recoveryStrategy.type,
      from: new Date(item.entries[0]?.scheduledAt ?? item.scheduledAt),
      to: new Date(item.scheduledAt),
      missed,
      toRun,
    } as const
    events.emit('recovery.decided', { jobId, jobName, ...decided })
    // Slots that were canceled ahead are not missed, and nobody misses those of a job that is paused.
    const level = missed > 0 && !isPaused ? 'warn' : 'debug'
    logger[level]({ job: jobName, ...decided }, 'slots were missed')
  }

  #answered(decided: Decided, answer: CreateAnswer): void {
    const { pending, decision, item } = decided
    const { job } = pending.late
    this.#overdue.answered(job, item.scheduledAt, answer.outcome === 'created' ? 'this node' : 'another')
    switch (answer.outcome) {
      case 'created':
        this.#registry.follow(job, item.jobVersion, item.watermark, item.nextAt)
        if (this.#overdue.isBehind) job.isOverdue = false
        this.#say(decided)
        if (decision.toRun > 0) this.#capacity.workAppeared()
        return
      case 'exists':
      case 'off_schedule':
        // Another node has recovered this window: it lives, and launches the next slot too, however late.
        this.#registry.follow(job, item.jobVersion, answer.watermark, answer.nextAt)
        job.isOverdue = false
        return
      case 'absent':
      case 'stale_version':
      case 'pruned':
        this.#registry.reload(job)
    }
  }
}
