import type { RecoveryStrategy } from '../../configuration/settings.ts'
import { missedRangeId, occurrenceId } from '../../ids.ts'
import { prioritized } from '../../job/prioritized.ts'
import type { OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { CreateAnswer, CreateRecovery as RecoveryItem } from '../../storage/storage.ts'
import type { Capacity } from '../capacity/capacity.ts'
import type { JobPlan } from '../jobs/job-plan.ts'
import type { JobRegistry } from '../jobs/job-registry.ts'
import { leaveOut, leaveUnscheduled } from '../jobs/leave-out.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import type { SlotSeries } from '../jobs/slot-series.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { ItemRefused } from '../loop/item-calls.ts'
import type { SlotTurns } from '../loop/slot-turns.ts'
import { EngineStopped } from '../loop/storage-caller.ts'
import type { Standby } from '../nodes/standby.ts'
import { RecordedSlots, type JobSlot } from './recorded-slots.ts'
import { type RecordedAhead, decideMissedSlots, type RecoveryDecision, slotsToLookAt } from './missed-slots.ts'

const noDetails: OccurrenceDetails = Object.freeze({})

// Entries of one recovery step. Of more missed slots that are all to run, the rest follows in further steps.
const recoveryLimit = 1000

/**
 * A job that is late, as it was when it was found to be. What another node does to the job meanwhile must not mix with
 * it: a decision about these slots under a newer watermark or version would be taken for one about the slots after.
 */
export interface LateSlot {
  readonly job: RegisteredJob
  readonly plan: JobPlan
  readonly slot: number
  readonly version: number
  readonly watermark: number
  readonly series: SlotSeries
}

export function lateSlotOf(job: RegisteredJob, plan: JobPlan): LateSlot {
  const { at: slot, version, watermark, series } = job
  return { job, plan, slot, version, watermark, series }
}

/** What there is to decide about a late job. */
function missedSlotsOf({ job, plan, slot, series }: LateSlot, now: number) {
  const { misfireThresholdMs, recoveryStrategy } = plan.settings
  const isPaused = slot < job.pausedUntil
  const strategy: RecoveryStrategy = isPaused ? { type: 'mark_as_missed' } : recoveryStrategy
  // What was missed after a pause is decided by itself, in the next round.
  const last = isPaused ? Math.min(now - misfireThresholdMs, job.pausedUntil) - 1 : now - misfireThresholdMs - 1
  // The wall clock may have been set back since the slot was found late.
  return { series, first: slot, until: Math.max(slot, last), strategy }
}

/** Slots that nobody ran in time: what becomes of them is each job's recovery strategy. */
export class Recovery {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #capacity: Capacity
  readonly #standby: Pick<Standby, 'answered' | 'isBehind'>

  constructor(
    engine: EngineContext,
    options: { registry: JobRegistry; capacity: Capacity; standby: Pick<Standby, 'answered' | 'isBehind'> },
  ) {
    this.#engine = engine
    this.#standby = options.standby
    this.#registry = options.registry
    this.#capacity = options.capacity
  }

  /**
   * Decides about the slots that were missed. Each job's decision is one step on its watermark, so of several nodes
   * that come to it at once, one wins.
   */
  async recover(late: readonly LateSlot[]): Promise<void> {
    const { owner, itemCalls } = this.#engine
    const now = this.#engine.now()
    const items: RecoveryItem[] = []
    const sent: { late: LateSlot; decision: RecoveryDecision }[] = []
    const recorded = await this.#lookForRecorded(late, now)
    for (const one of late) {
      const { job } = one
      try {
        const { id } = job.job
        const ofJob: RecordedAhead = {
          among: (slots) => recorded.among(id, slots),
          between: (from, to) => recorded.between(id, from, to),
        }
        const missed = missedSlotsOf(one, now)
        const turns = this.#turnsOf(job)
        const deciding = decideMissedSlots({ ...missed, now, limit: recoveryLimit, recorded: ofJob, turns })
        // It takes several turns to count the slots of a long outage.
        this.#engine.clock.track?.(deciding)
        const decision = await deciding
        items.push(this.#itemFor(one, decision))
        sent.push({ late: one, decision })
      } catch (error) {
        if (error instanceof EngineStopped) throw error
        leaveUnscheduled(this.#engine, this.#registry, job, error)
        this.#standby.answered(job, one.slot, 'nobody')
      }
    }
    if (items.length === 0) return
    const answered = (index: number, answer: CreateAnswer | ItemRefused) => {
      const { late: one, decision } = sent[index] as (typeof sent)[number]
      if (answer instanceof ItemRefused) {
        leaveOut(this.#engine, this.#registry, one.job, answer.error)
        this.#standby.answered(one.job, one.slot, 'nobody')
      } else this.#answered(one.job, one.plan, decision, items[index] as RecoveryItem, answer)
    }
    const answers = await itemCalls.send(
      'createOccurrences',
      items,
      (calls, some) => calls.createOccurrences({ now, owner, items: some }),
      answered,
    )
    for (const [index, answer] of answers.entries()) if (answer !== undefined) answered(index, answer)
  }

  /** For most jobs, what became of a few slots is all that there is to know: one call for all of them. */
  async #lookForRecorded(late: readonly LateSlot[], now: number): Promise<RecordedSlots> {
    const slots: JobSlot[] = []
    for (const one of late) {
      const jobId = one.job.job.id
      try {
        const looking = slotsToLookAt({ ...missedSlotsOf(one, now), turns: this.#turnsOf(one.job) })
        this.#engine.clock.track?.(looking)
        for (const slot of await looking) slots.push({ jobId, slot })
      } catch {
        // The decision about this job's slots will say so.
      }
    }
    const recorded = new RecordedSlots(this.#engine)
    await recorded.look(slots)
    return recorded
  }

  /** For counting slots of this job: its schedule is asked from here on, and named when it holds the event loop. */
  #turnsOf({ job }: RegisteredJob): Pick<SlotTurns, 'stepped'> {
    const { slotTurns } = this.#engine
    slotTurns.begin()
    return {
      stepped: () => {
        const turn = slotTurns.stepped()
        if (turn !== null) this.#engine.heldLoop(job.name, slotTurns.lastStepsMs)
        return turn
      },
    }
  }

  #itemFor({ job, plan, version, watermark, series }: LateSlot, decision: RecoveryDecision): RecoveryItem {
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
          const reason = decision.lastSlot < job.pausedUntil ? 'paused' : plan.settings.recoveryStrategy.type
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

  #say(job: RegisteredJob, plan: JobPlan, { count: missed, toRun }: RecoveryDecision, item: RecoveryItem): void {
    const { events, logger } = this.#engine
    const { id: jobId, name: jobName } = job.job
    const isPaused = item.scheduledAt < job.pausedUntil
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

  #answered(
    job: RegisteredJob,
    plan: JobPlan,
    decision: RecoveryDecision,
    item: RecoveryItem,
    answer: CreateAnswer,
  ): void {
    this.#standby.answered(job, item.scheduledAt, answer.outcome === 'created' ? 'this node' : 'another')
    switch (answer.outcome) {
      case 'created':
        this.#registry.follow(job, item.jobVersion, item.watermark, item.nextAt)
        if (this.#standby.isBehind) job.isOverdue = false
        this.#say(job, plan, decision, item)
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
