import { noDetails, prioritized } from '../../job/job-document.ts'
import type { RecoveryStrategy } from '../../configuration/settings.ts'
import { missedRangeId, occurrenceId } from '../../ids.ts'
import type { CreateAnswer, CreateRecovery as RecoveryItem } from '../../storage/storage.ts'
import type { JobPlan } from '../definitions/job-plan.ts'
import { suspendJob, suspendUnscheduled, reloadLater } from '../definitions/held-jobs.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { AfterTurn } from '../runtime/after-turn.ts'
import { EngineStopped, failInBackground } from '../runtime/background-loop.ts'
import { Batcher, type BatchKind } from '../storage-access/batcher.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { LaunchParts } from './overdue-takeover.ts'
import { decideMissedSlots, recordedAhead, type RecoveryDecision } from './missed-slots.ts'
import { fewSlots, recoveryStep } from './tuning.ts'

/**
 * A snapshot of a late job from the moment when the launcher found the job late. Users and peers may change the job during the
 * recovery decision, so the decision uses only this snapshot. If the decision carried a newer watermark or version, the storage
 * would apply the decision to later slots.
 */
export interface LateSlot
  extends Readonly<Pick<RegisteredJob, 'version' | 'createdAt' | 'watermark' | 'pausedUntil' | 'series'>> {
  readonly job: RegisteredJob
  readonly plan: JobPlan
  readonly slot: number
  /**
   * The recovery treats all slots up to this instant as missed. This includes slots that are less late than the job's misfire
   * threshold.
   */
  readonly missedUntil: number
}

export function lateSlotOf(job: RegisteredJob, plan: JobPlan, missedUntil: number): LateSlot {
  const { at: slot, version, createdAt, watermark, pausedUntil, series } = job
  return { job, plan, slot, version, createdAt, watermark, pausedUntil, series, missedUntil }
}

/** A recovery decision that has to be stored. */
interface Decided {
  readonly late: LateSlot
  readonly decision: RecoveryDecision
  readonly item: RecoveryItem
}

/** Returns the missed slots of a late job, and the strategy for them. */
function missedSlotsOf({ plan, slot, pausedUntil, series, missedUntil }: LateSlot, now: number) {
  const { misfireThresholdMs, recoveryStrategy } = plan.settings
  const isPaused = slot < pausedUntil
  const strategy: RecoveryStrategy = isPaused ? { type: 'mark_as_missed' } : recoveryStrategy
  // Missed slots in a pause get only a `missed` record. Slots after the pause get the strategy of the job. So a decision about
  // slots in a pause covers no slot after the pause. The launcher then finds the job late again, and the next decision follows.
  const late = Math.max(now - misfireThresholdMs - 1, Math.min(missedUntil, now))
  const last = isPaused ? Math.min(late, pausedUntil - 1) : late
  // If the wall clock was set back since the launcher found the slot late, `last` may lie before the slot. `until` never lies
  // before the slot.
  return { series, first: slot, until: Math.max(slot, last), strategy }
}

/**
 * Applies the recovery strategies of jobs to missed slots. Counting the slots of a long outage takes seconds per job, and
 * minutes for many jobs. So decisions run concurrently, and they yield to the event loop.
 */
export class Recovery {
  readonly #engine: EngineContext
  readonly #parts: LaunchParts
  /** Late jobs whose recovery decision has not begun. */
  readonly #waiting: LateSlot[] = []
  /** Late jobs whose recovery decision is in progress or is being stored. */
  readonly #atWork = new Set<LateSlot>()
  readonly #small: Batcher<Decided, RecoveryItem, CreateAnswer>
  /**
   * Stores decisions with more than {@link fewSlots} runs. Smaller decisions have a separate batcher, so that they need not
   * wait for large decisions.
   */
  readonly #large: Batcher<Decided, RecoveryItem, CreateAnswer>
  readonly #beginning = new AfterTurn(() => this.#begin())
  #isStopped = false
  #idle: (() => void)[] = []
  /** Called when the decision about a job has ended. The launcher sets this member. */
  ended: (job: RegisteredJob) => void = () => undefined

  constructor(engine: EngineContext, parts: LaunchParts) {
    this.#engine = engine
    this.#parts = parts
    const { owner } = engine
    const kind: BatchKind<Decided, RecoveryItem, CreateAnswer> = {
      operation: 'createOccurrences',
      // A call takes further items until their runs exceed `maxSize`. The last item may exceed `maxSize` by at most
      // `recoveryStep` runs. So a call creates fewer than three times `recoveryStep` runs.
      maxSize: 2 * recoveryStep - 1,
      sizeOf: ({ entries }) => entries.length,
      make: (decided, now) => (this.#stillHolds(decided, now) ? decided.item : null),
      send: (storage, items, now) => storage.createOccurrences({ now, owner, items }),
      answered: (decided, _item, answer) => this.#answered(decided, answer),
      rejected: ({ late }, _item, error) => suspendJob(engine, this.#parts.registry, late.job, error),
      // The batcher has reported the error.
      aborted: ({ late }) => {
        if (!this.#isStopped) reloadLater(engine, this.#parts.registry, late.job)
        this.#end(late)
      },
      failed: (error) => failInBackground(engine, 'launch', error),
      callEnded: (stored) => {
        for (const { late } of stored) this.#end(late)
      },
    }
    this.#small = new Batcher(engine, kind)
    this.#large = new Batcher(engine, kind)
  }

  /** Whether recovery decisions wait, are in progress, or are being stored. */
  get isAtWork(): boolean {
    return this.#atWork.size > 0 || this.#waiting.length > 0
  }

  /**
   * Decides on missed slots and stores the decisions. If several nodes recover the same slots, the storage accepts one
   * decision.
   *
   * This node must not launch slots of the job until this object has called {@link ended} for the job. It calls `ended` once
   * per job, when one of these is true:
   * - The decision is stored, or has failed.
   * - The decision no longer applies to the job.
   * - The batcher retries the decision alone.
   *
   * After {@link stop}, `ended` is not called for decisions that have not begun.
   */
  recover(late: readonly LateSlot[]): void {
    this.#waiting.push(...late)
    this.#begin()
  }

  /** Resolves when all recovery decisions are stored. */
  async settled(): Promise<void> {
    if (this.isAtWork) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Starts no further decision. Resolves when the storage has answered the calls in progress. */
  stop(): Promise<void> {
    this.#isStopped = true
    this.#small.stop()
    this.#large.stop()
    this.#waiting.length = 0
    this.#sayIdle()
    return this.settled()
  }

  #begin(): void {
    if (this.#isStopped) this.#waiting.length = 0
    const count = Math.min(this.#waiting.length, this.#engine.maxBatch - this.#atWork.size)
    // At most `maxBatch` decisions are in progress at the same time.
    if (count <= 0) return
    const group = this.#waiting.splice(0, count)
    for (const late of group) this.#atWork.add(late)
    const now = this.#engine.now()
    this.#engine.storage.yieldBudget.begin()
    for (const late of group) void this.#decide(late, now)
  }

  #end(late: LateSlot): void {
    // This method is called twice for a decision: after the processing of its answer, and after its storage call, in case
    // the processing has failed. The second call does nothing.
    if (!this.#atWork.delete(late)) return
    this.ended(late.job)
    if (this.#waiting.length > 0) this.#beginning.ask()
    this.#sayIdle()
  }

  #sayIdle(): void {
    if (this.isAtWork) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #decide(late: LateSlot, now: number): Promise<void> {
    try {
      const decision = await decideMissedSlots({
        ...missedSlotsOf(late, now),
        now,
        limit: recoveryStep,
        recorded: recordedAhead(this.#engine, late.job.job.id),
        turns: { stepped: () => this.#stepped(late) },
      })
      const batcher = decision.toRun > fewSlots ? this.#large : this.#small
      batcher.add({ late, decision, item: this.#itemFor(late, decision) })
    } catch (error) {
      if (!this.#isStopped) {
        if (error instanceof EngineStopped) this.#reload(late.job)
        else suspendUnscheduled(this.#engine, this.#parts.registry, late.job, error)
      }
      this.#end(late)
    }
  }

  #reload(job: RegisteredJob): void {
    // If the job was removed meanwhile, the registry may hold a new job object for the same id. The removed object is not
    // reloaded.
    if (this.#parts.registry.holds(job)) this.#parts.registry.reload(job)
  }

  /** Returns whether the job has not changed since its `LateSlot` was made. */
  #isAsFound({ job, version, createdAt, watermark, pausedUntil }: LateSlot): boolean {
    const isSame = job.version === version && job.createdAt === createdAt && job.watermark === watermark
    return isSame && job.pausedUntil === pausedUntil && this.#parts.registry.holds(job)
  }

  /** Returns whether a decision may still be stored. The job may have changed during the counting. */
  #stillHolds({ late, decision }: Decided, now: number): boolean {
    const { agenda, isHeldBack } = this.#engine
    // The clock may have been set back during the counting. If the last slot of the decision is then in the future again, the
    // decision no longer applies either.
    const holds = this.#isAsFound(late) && decision.lastSlot <= now
    if (holds && !isHeldBack) return true
    if (holds) agenda.setSlot(late.job, late.slot)
    else this.#reload(late.job)
    this.#end(late)
    return false
  }

  /** Yields to the event loop, see `YieldBudget.stepped`. The promise rejects if the counting of slots must end. */
  #stepped(late: LateSlot): Promise<void> | null {
    const turn = this.#engine.storage.yieldBudget.stepped()
    if (turn === null) return null
    return turn.then(() => {
      if (this.#isStopped || !this.#isAsFound(late)) throw new EngineStopped()
    })
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
        const details = prioritized(entry.span === null ? noDetails : { span: entry.span }, plan.settings)
        // A run may cover several slots. Its id is the id of the slot at which it runs. So that slot gets no second record.
        const id = occurrenceId(jobId, entry.slot)
        return { kind: 'run', id, scheduledAt: entry.slot, executionTimeoutMs, details }
      }),
    }
  }

  #say({ late, decision, item }: Decided): void {
    const { events, logger } = this.#engine
    const { job, plan, pausedUntil } = late
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
    // The log line is no warning if all slots were canceled ahead, or if the job is paused.
    const level = missed > 0 && !isPaused ? 'warn' : 'debug'
    logger[level]({ job: jobName, ...decided }, 'slots were missed')
  }

  #answered(decided: Decided, answer: CreateAnswer): void {
    const { late, decision, item } = decided
    const { job } = late
    this.#parts.overdue.answered(job, answer.outcome === 'created' ? 1 : -1)
    switch (answer.outcome) {
      case 'created':
        this.#parts.registry.follow(job, item.jobVersion, item.watermark, item.nextAt)
        this.#say(decided)
        if (decision.toRun > 0) this.#parts.capacity.workAppeared()
        return
      case 'exists':
      case 'off_schedule':
        // Another node has recovered these slots, so that node is alive and will launch the next slot.
        this.#parts.registry.follow(job, item.jobVersion, answer.watermark, answer.nextAt)
        job.isOverdue = false
        return
      case 'absent':
      case 'stale_version':
      case 'pruned':
        this.#parts.registry.reload(job)
    }
  }
}
