import type { RecoveryStrategy } from '../../configuration/settings.ts'
import { missedRangeId, occurrenceId } from '../../ids.ts'
import type { OccurrenceDetails, TaskRunRecord } from '../../storage/occurrence-record.ts'
import type { CreateAnswer, CreateRecovery as RecoveryItem, CreateSlot } from '../../storage/storage.ts'
import { CanceledSlots, type JobSlot } from '../recovery/canceled-slots.ts'
import type { Claimer } from './claimer.ts'
import { afterThisTurn } from '../../system-clock.ts'
import { displace } from './displace.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import type { ExecutionPool } from './execution-pool.ts'
import { mayCall } from '../loop/group-commit.ts'
import type { JobPlan } from '../jobs/job-plan.ts'
import type { JobRegistry } from '../jobs/job-registry.ts'
import { countsSlots, decideMissedSlots, lastMissedSlot, type RecoveryDecision } from '../recovery/missed-slots.ts'
import { readOwnStart } from './own-start.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import { EngineStopped } from '../loop/storage-caller.ts'
import { initialRuns } from '../run/task-progress.ts'
import type { SlotSeries } from '../jobs/timeline.ts'

const noDetails: OccurrenceDetails = Object.freeze({})

// Entries of one recovery step. Of more missed slots that are all to run, the rest follows in further steps.
const recoveryLimit = 1000

/**
 * For so long, slots that are due wait for a place to run in, while handlers are quick enough to make some: each then
 * starts in the step that creates it, and another node that has room can still have it. What waits longer, waits in the
 * storage.
 */
const longestHoldMs = 100

/** So many slots that are due are worth a call of their own while another is under way. */
const worthACall = 50

/** Creates what is due: the slots of one instant together, missed ones by their job's recovery strategy. */
export class SlotLauncher {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #pool: ExecutionPool
  readonly #claimer: Claimer
  #looking: Promise<void> | null = null
  #lookAgain = false
  readonly #callsUnderWay = new Set<Promise<void>>()
  /** Jobs whose slots are being created, and whether they came up again: a look at a job that comes late does that. */
  readonly #creating = new Map<RegisteredJob, boolean>()
  /** Slots are due and wait for a place, for so many milliseconds more. */
  #heldForMs = 0
  #kicked = false
  #stopped = false

  constructor(engine: EngineContext, options: { registry: JobRegistry; pool: ExecutionPool; claimer: Claimer }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#pool = options.pool
    this.#claimer = options.claimer
  }

  /** Launches nothing more; resolves when what is under way has been answered. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#looking
    await Promise.all(this.#callsUnderWay)
  }

  /** Launches everything that is due. */
  launch(): void {
    if (this.#stopped) return
    if (this.#looking !== null) {
      this.#lookAgain = true
      return
    }
    let isDone = true
    this.#looking = this.#launchDue()
      .then((done) => {
        isDone = done
      })
      .catch((error) => this.#failed(error))
      .finally(() => {
        this.#looking = null
        if (this.#lookAgain) {
          this.#lookAgain = false
          this.launch()
        } else if (isDone) this.#engine.agenda.slotsLaunched(this.#heldForMs)
      })
  }

  /** A place has become free. */
  placeFreed(): void {
    if (this.#heldForMs > 0) this.#launchAfterThisTurn()
  }

  /** Places that become free together are filled together. */
  #launchAfterThisTurn(): void {
    if (this.#kicked || this.#stopped) return
    this.#kicked = true
    afterThisTurn(() => {
      this.#kicked = false
      this.launch()
    })
  }

  #failed(error: unknown): void {
    if (!(error instanceof EngineStopped)) this.#engine.fail('launch', error)
  }

  /** False when more is due: it is looked for as soon as a call that is under way has been answered. */
  async #launchDue(): Promise<boolean> {
    const { agenda, maxBatch } = this.#engine
    const enough = Math.min(worthACall, maxBatch)
    while (!this.#stopped) {
      this.#heldForMs = 0
      if (!mayCall(this.#callsUnderWay.size, enough, enough)) return false
      // With the places that a poll holds for nothing, slots that are due would have to wait in the storage.
      await this.#claimer.answered()
      const now = this.#engine.now()
      const { due, late } = this.#takeDue(now)
      if (due.length === 0 && late.length === 0) return true
      if (!mayCall(this.#callsUnderWay.size, due.length + late.length, enough)) {
        for (const { job, slot } of [...due, ...late]) agenda.setSlot(job, slot)
        return false
      }
      // More is due than there is room for: while the storage works on one half, this node works on the other.
      const isFull = this.#heldForMs > 0 && this.#callsUnderWay.size === 0 && due.length >= 2 * enough
      const half = isFull ? Math.ceil(due.length / 2) : due.length
      if (due.length > 0) this.#create(due.slice(0, half), now)
      if (half < due.length) this.#create(due.slice(half), now)
      if (late.length > 0) await this.#recover(late)
    }
    return true
  }

  /** Takes a batch of what is due off the agenda: what is to be created, and what was missed. */
  #takeDue(now: number): { readonly due: readonly DueSlot[]; readonly late: readonly LateSlot[] } {
    const { agenda, maxBatch } = this.#engine
    const due: DueSlot[] = []
    const late: LateSlot[] = []
    while (due.length + late.length < maxBatch) {
      const job = agenda.peekDueSlot(now)
      if (job === undefined) break
      const plan = this.#registry.planOf(job)
      const mayWait = plan !== null && due.length >= this.#pool.roomFor(plan) && !this.#claimer.hasBacklog
      this.#heldForMs = mayWait ? holdOf(job.at, plan, now) : 0
      if (this.#heldForMs > 0) break
      agenda.setSlot(job, null)
      if (this.#creating.has(job)) {
        this.#creating.set(job, true)
        continue
      }
      // A node that lacks a handler leaves the job to the others.
      if (plan === null) continue
      if (now - job.at > plan.settings.misfireThresholdMs) late.push(lateSlotOf(job, plan))
      else due.push({ job, plan, slot: job.at })
    }
    return { due, late }
  }

  #create(due: readonly DueSlot[], now: number): void {
    for (const { job } of due) this.#creating.set(job, false)
    const call = this.#createSlots(due, now)
      .catch((error) => this.#failed(error))
      .finally(() => {
        this.#callsUnderWay.delete(call)
        for (const { job } of due) this.#created(job)
        this.#launchAfterThisTurn()
      })
    this.#callsUnderWay.add(call)
  }

  #created(job: RegisteredJob): void {
    const cameUpAgain = this.#creating.get(job)
    this.#creating.delete(job)
    if (cameUpAgain) this.#registry.reload(job)
  }

  async #createSlots(due: readonly DueSlot[], now: number): Promise<void> {
    const { owner, storage } = this.#engine
    // What waits in the storage is older than what is due now, and goes first.
    const { hasBacklog } = this.#claimer
    const items: CreateSlot[] = []
    let reserved = 0
    const sent: DueSlot[] = []
    for (const one of due) {
      const starts = !hasBacklog && !one.job.paused && reserved < this.#pool.roomFor(one.plan)
      const item = this.#slotItem(one, starts ? now : null)
      if (item === null) continue
      items.push(item)
      sent.push(one)
      if (starts) reserved++
    }
    if (items.length === 0) return
    this.#pool.reserve(reserved)
    let answers: readonly CreateAnswer[]
    try {
      answers = await storage.repeated('createOccurrences', (calls) => calls.createOccurrences({ now, owner, items }))
    } finally {
      this.#pool.unreserve(reserved)
      // What came to wait meanwhile found no place, and those that were kept may not be needed.
      if (reserved > 0) this.#claimer.placeFreed()
    }
    for (let index = 0; index < sent.length; index++) {
      const one = sent[index] as DueSlot
      const item = items[index] as CreateSlot
      const answer = answers[index] as CreateAnswer
      this.#slotAnswered(one, item, answer, now)
      if (answer.outcome === 'exists') await this.#startOwn(one, item, answer, now)
    }
  }

  /** The answer to an earlier sending of this item may have got lost: then the record is this node's, and to be run. */
  async #startOwn(
    { job, plan }: DueSlot,
    item: CreateSlot,
    answer: Extract<CreateAnswer, { readonly outcome: 'exists' }>,
    now: number,
  ): Promise<void> {
    const { state, token, owner } = answer
    const mayBeOwn = state === 'running' && token === 1 && owner?.incarnation === this.#engine.owner.incarnation
    if (!mayBeOwn || item.runs === null) return
    // Looked at before the read too: what runs now may have ended when an answer that is on its way says that it runs.
    if (this.#pool.get(item.id) !== undefined || (await readOwnStart(this.#engine, item.id)) === null) return
    if (this.#pool.get(item.id) === undefined) this.#start(job, plan, item, token, now)
  }

  /** `null` when a schedule of the user's own throws: that takes its job off the agenda, and nothing else with it. */
  #slotItem({ job, plan, slot }: DueSlot, startNow: number | null): CreateSlot | null {
    let nextAt: number | null
    try {
      nextAt = job.series.nextMs(slot)
    } catch (error) {
      this.#engine.fail(`schedule of job ${job.job.name}`, error)
      return null
    }
    const { settings, tasks } = plan
    const runs: TaskRunRecord[] | null =
      startNow === null ? null : initialRuns(tasks, settings.taskExecutionMode === 'parallel', startNow)
    return {
      kind: 'slot',
      id: occurrenceId(job.job.id, slot),
      jobId: job.job.id,
      scheduledAt: slot,
      jobVersion: job.version,
      nextAt,
      executionTimeoutMs: settings.executionTimeoutMs,
      details: noDetails,
      runs,
    }
  }

  #slotAnswered({ job, plan }: DueSlot, item: CreateSlot, answer: CreateAnswer, now: number): void {
    const { events } = this.#engine
    switch (answer.outcome) {
      case 'created':
        this.#moveOn(job, item, item.scheduledAt, item.nextAt)
        job.paused = answer.reason === 'paused'
        if (events.hears('occurrence.created')) {
          events.emit('occurrence.created', {
            ...namesOf(job),
            occurrenceId: item.id,
            scheduledAt: new Date(item.scheduledAt),
            kind: 'slot',
            state: answer.state,
            reason: answer.reason,
          })
        }
        displace(this.#engine, this.#pool, job, answer)
        if (answer.state === 'running') this.#start(job, plan, item, answer.token, now)
        else if (answer.state === 'pending') this.#claimer.pendingAppeared()
        return
      case 'exists':
        // A slot that was canceled ahead is passed under the version in force alone: this node has an older one, and
        // would ask for the same slot again at once, and for ever.
        if (answer.nextAt === item.scheduledAt) this.#registry.reload(job)
        else this.#moveOn(job, item, answer.watermark, answer.nextAt)
        return
      case 'off_schedule':
        this.#moveOn(job, item, answer.watermark, answer.nextAt)
        return
      case 'absent':
      case 'stale_version':
      case 'pruned':
        this.#registry.reload(job)
    }
  }

  /**
   * Takes over what an answer says of the job's course, unless the node has learnt of another version since it asked:
   * then it knows better, and an old next instant under a new version would be recovered as if it were a slot of it.
   */
  #moveOn(job: RegisteredJob, asked: CreateSlot | RecoveryItem, watermark: number, nextAt: number | null): void {
    if (job.version === asked.jobVersion) this.#registry.moveOn(job, watermark, nextAt)
  }

  #start(job: RegisteredJob, plan: JobPlan, item: CreateSlot, token: number, now: number): void {
    this.#pool.run({
      job,
      plan,
      occurrence: {
        id: item.id,
        jobId: item.jobId,
        scheduledAt: item.scheduledAt,
        kind: 'slot',
        token,
        jobVersion: item.jobVersion,
        startedAt: now,
        dueAt: item.scheduledAt,
        executionTimeoutMs: item.executionTimeoutMs,
        recovered: false,
        details: item.details,
      },
      runs: item.runs ?? [],
      fresh: true,
    })
  }

  /**
   * Decides about the slots that were missed. Each job's decision is one step on its watermark, so of several nodes
   * that come to it at once, one wins.
   */
  async #recover(late: readonly LateSlot[]): Promise<void> {
    const { owner, storage } = this.#engine
    const now = this.#engine.now()
    const items: RecoveryItem[] = []
    const sent: { late: LateSlot; decision: RecoveryDecision }[] = []
    const canceled = await this.#lookForCanceled(late, now)
    for (const one of late) {
      const { job } = one
      try {
        const canceledAmong = (slots: readonly number[]) => canceled.among(job.job.id, slots)
        const deciding = decideMissedSlots({ ...missedSlotsOf(one, now), now, limit: recoveryLimit, canceledAmong })
        // It takes several turns to count the slots of a long outage.
        this.#engine.clock.track?.(deciding)
        const decision = await deciding
        items.push(this.#recoveryItem(one, decision))
        sent.push({ late: one, decision })
      } catch (error) {
        if (error instanceof EngineStopped) throw error
        this.#engine.fail(`schedule of job ${job.job.name}`, error)
      }
    }
    if (items.length === 0) return
    const answers = await storage.repeated('createOccurrences', (calls) =>
      calls.createOccurrences({ now, owner, items }),
    )
    for (const [index, { late: one, decision }] of sent.entries()) {
      this.#recoveryAnswered(one.job, one.plan, decision, items[index] as RecoveryItem, answers[index] as CreateAnswer)
    }
  }

  /** For most jobs, what became of the last slot is all that there is to know: one call for all of them. */
  async #lookForCanceled(late: readonly LateSlot[], now: number): Promise<CanceledSlots> {
    const slots: JobSlot[] = []
    for (const one of late) {
      const missed = missedSlotsOf(one, now)
      if (!countsSlots(missed.strategy)) continue
      try {
        slots.push({ jobId: one.job.job.id, slot: lastMissedSlot(missed) })
      } catch {
        // The decision about this job's slots will say so.
      }
    }
    const canceled = new CanceledSlots(this.#engine)
    await canceled.look(slots)
    return canceled
  }

  #recoveryItem({ job, plan, version, watermark, series }: LateSlot, decision: RecoveryDecision): RecoveryItem {
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
          const reason = job.paused ? 'paused' : plan.settings.recoveryStrategy.type
          const { span } = entry
          const id = span.count > 1 ? missedRangeId(jobId, span.from) : occurrenceId(jobId, span.from)
          return { kind: 'missed', id, scheduledAt: span.from, reason, span }
        }
        const { span } = entry
        const details = span === null ? noDetails : { span }
        const id = span !== null && span.count > 1 ? missedRangeId(jobId, span.from) : occurrenceId(jobId, entry.slot)
        return { kind: 'run', id, scheduledAt: entry.slot, executionTimeoutMs, details }
      }),
    }
  }

  #recoveryAnswered(
    job: RegisteredJob,
    plan: JobPlan,
    decision: RecoveryDecision,
    item: RecoveryItem,
    answer: CreateAnswer,
  ): void {
    switch (answer.outcome) {
      case 'created':
        this.#moveOn(job, item, item.watermark, item.nextAt)
        this.#engine.events.emit('recovery.decided', {
          jobId: job.job.id,
          jobName: job.job.name,
          strategy: job.paused ? 'mark_as_missed' : plan.settings.recoveryStrategy.type,
          from: new Date(item.entries[0]?.scheduledAt ?? item.scheduledAt),
          to: new Date(item.scheduledAt),
          missed: decision.count,
          toRun: decision.toRun,
        })
        if (decision.toRun > 0) this.#claimer.pendingAppeared()
        return
      case 'exists':
      case 'off_schedule':
        // Another node has recovered this window.
        this.#moveOn(job, item, answer.watermark, answer.nextAt)
        return
      case 'absent':
      case 'stale_version':
      case 'pruned':
        this.#registry.reload(job)
    }
  }
}

interface DueSlot {
  readonly job: RegisteredJob
  readonly plan: JobPlan
  readonly slot: number
}

/**
 * A job that is late, as it was when it was found to be. What another node does to the job meanwhile must not mix with
 * it: a decision about these slots under a newer watermark or version would be taken for one about the slots after.
 */
interface LateSlot extends DueSlot {
  readonly version: number
  readonly watermark: number
  readonly series: SlotSeries
}

function lateSlotOf(job: RegisteredJob, plan: JobPlan): LateSlot {
  const { at: slot, version, watermark, series } = job
  return { job, plan, slot, version, watermark, series }
}

/** What there is to decide about a late job. */
function missedSlotsOf({ job, plan, slot, series }: LateSlot, now: number) {
  const { misfireThresholdMs, recoveryStrategy } = plan.settings
  const strategy: RecoveryStrategy = job.paused ? { type: 'mark_as_missed' } : recoveryStrategy
  // The wall clock may have been set back since the slot was found late.
  return { series, first: slot, until: Math.max(slot, now - misfireThresholdMs - 1), strategy }
}

/** How long a slot may still wait for a place before it is created without one. */
function holdOf(slot: number, plan: JobPlan | null, now: number): number {
  if (plan === null) return 0
  return Math.max(0, slot + Math.min(longestHoldMs, plan.settings.misfireThresholdMs / 2) - now)
}

function namesOf(job: RegisteredJob) {
  return { jobId: job.job.id, jobName: job.job.name }
}
