import { occurrenceId, type OccurrenceId } from '../../ids.ts'
import { handlerKeyOf, noDetails, prioritized } from '../../job/job-document.ts'
import type { TaskRunRecord, OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { CreateAnswer, CreateSlot } from '../../storage/storage.ts'
import type { JobPlan } from '../definitions/job-plan.ts'
import { suspendJob, suspendUnscheduled } from '../definitions/held-jobs.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import { Batcher } from '../storage-access/batcher.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { LaunchParts } from './overdue-takeover.ts'
import type { ExecutionPool } from '../execution/execution-pool.ts'
import { initialRuns } from '../execution/task-run-records.ts'

/** A due slot with the current plan of its job. */
export interface DueSlot {
  readonly job: RegisteredJob
  readonly plan: JobPlan
  readonly slot: number
  /** Epoch milliseconds at which the launcher took the slot off the agenda. */
  readonly now: number
  /** The item of this slot for the storage call; `null`: the schedule has thrown, so the call leaves the slot out. */
  item: CreateSlot | null
  /**
   * Used if the storage answers that the occurrence exists. Resolves when this node has checked whether it created the
   * occurrence itself, in a call whose answer was lost. If so, this node then runs the occurrence. `null`: no check.
   */
  starting: Promise<void> | null
}

/** Creates the occurrences of due slots. If this node has a free permit, the same storage call also starts the occurrence. */
export class SlotCreator {
  readonly #engine: EngineContext
  readonly #parts: LaunchParts
  readonly #creates: Batcher<DueSlot, CreateSlot, CreateAnswer>

  constructor(engine: EngineContext, parts: LaunchParts) {
    this.#engine = engine
    this.#parts = parts
    const { owner } = engine
    const failed = (error: unknown): void => failInBackground(engine, 'launch', error)
    this.#creates = new Batcher(engine, {
      operation: 'createOccurrences',
      make: ({ item }) => item,
      send: (storage, items, now) => storage.createOccurrences({ now, owner, items }),
      answered: (one, item, answer) => {
        this.#answered(one, item, answer)
        if (answer.outcome === 'exists') one.starting = this.#startOwn(one, item, answer).catch(failed)
      },
      rejected: ({ job }, _item, error) => suspendJob(engine, this.#parts.registry, job, error),
      failed,
    })
  }

  /** Returns whether this node may send a storage call with `count` slots now. */
  hasRoom(count: number): boolean {
    return this.#creates.hasRoom(count)
  }

  /**
   * Creates the occurrences of these slots in one storage call. Resolves when the call has ended, after its retries. All
   * retries use the same `now`.
   *
   * If one slot makes the call fail, the batcher may retry that slot alone, without a reserved permit. This method does not
   * wait for such a retry.
   */
  async create(due: readonly DueSlot[], now: number): Promise<void> {
    // Occurrences in the backlog are older than due slots, so due slots do not start while there is a backlog. Exception: the
    // slot of a newcomer starts, because the newcomer's turn comes first.
    const { hasBacklog } = this.#parts.capacity
    let reserved = 0
    const sent: DueSlot[] = []
    for (const one of due) {
      const isPaused = one.slot < one.job.pausedUntil
      const waits = hasBacklog && !this.#parts.capacity.turns.isNewcomer(handlerKeyOf(one.job.job))
      const starts = !waits && !isPaused && reserved < this.#parts.capacity.roomForSlot(one.plan.settings)
      one.item = this.#itemFor(one, starts ? now : null)
      if (one.item === null) continue
      sent.push(one)
      if (starts) reserved++
    }
    if (sent.length === 0) return
    this.#parts.capacity.reserve(reserved)
    await this.#creates.sendNow(sent, now)
    this.#parts.capacity.unreserve(reserved)
    // The call may have reserved permits that it did not use. The claimer may use these permits now.
    if (reserved > 0) this.#parts.capacity.offerRoom()
    for (const { starting } of sent) if (starting !== null) await starting
  }

  /** Runs an existing occurrence that an earlier call of this node created, if the answer to that call was lost. */
  async #startOwn(
    { job, plan, now }: DueSlot,
    item: CreateSlot,
    { state, token, owner }: Extract<CreateAnswer, { readonly outcome: 'exists' }>,
  ): Promise<void> {
    // Most existing occurrences need no read, because another node owns them or they no longer run.
    if (state !== 'running' || owner?.incarnation !== this.#engine.owner.incarnation) return
    // Check the pool of running occurrences before and after the storage call. During the call, the occurrence may end and
    // leave the pool.
    if (this.#parts.pool.get(item.id) !== undefined || (await findUnacknowledgedStart(this.#engine, item.id)) === null)
      return
    if (this.#parts.pool.get(item.id) === undefined) this.#start(job, plan, item, token, now)
  }

  /** Returns the item of a slot for the storage call; `null`: the schedule has thrown, so its job is suspended for 60 s. */
  #itemFor({ job, plan, slot }: DueSlot, startNow: number | null): CreateSlot | null {
    let nextAt: number | null
    try {
      nextAt = job.series.nextMs(slot)
    } catch (error) {
      suspendUnscheduled(this.#engine, this.#parts.registry, job, error)
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
      details: prioritized(noDetails, settings),
      runs,
    }
  }

  #answered({ job, plan, now }: DueSlot, item: CreateSlot, answer: CreateAnswer): void {
    const { events } = this.#engine
    switch (answer.outcome) {
      case 'created':
        this.#parts.overdue.answered(job, 1, now - item.scheduledAt)
        this.#parts.registry.follow(job, item.jobVersion, item.scheduledAt, item.nextAt)
        // The answer shows that the job is paused, but does not show when the pause ends. So this node assumes a pause without
        // an end until it reads the job's head again.
        if (answer.reason !== 'paused') {
          if (item.scheduledAt < job.pausedUntil) job.pausedUntil = Number.NEGATIVE_INFINITY
        } else if (item.scheduledAt >= job.pausedUntil) job.pausedUntil = Number.POSITIVE_INFINITY
        if (events.hears('occurrence.created')) {
          events.emit('occurrence.created', {
            jobId: job.job.id,
            jobName: job.job.name,
            occurrenceId: item.id,
            scheduledAt: new Date(item.scheduledAt),
            kind: 'slot',
            state: answer.state,
            reason: answer.reason,
          })
        }
        if (answer.state === 'skipped') this.#parts.registry.skipped.note(job, answer.reason, item.scheduledAt)
        notifyDisplaced(this.#engine, this.#parts, job, answer)
        if (answer.state === 'running') this.#start(job, plan, item, answer.token, now)
        else if (answer.state === 'pending') this.#parts.capacity.workStored(handlerKeyOf(job.job))
        return
      case 'exists':
        // If this slot is still the next slot of its job, it was canceled ahead. Only a node with the current version of the
        // job can move the job past such a slot. This node has an older version. Without the reload, it would try to create the
        // same slot forever.
        if (answer.nextAt === item.scheduledAt) this.#parts.registry.reload(job)
        else this.#parts.registry.follow(job, item.jobVersion, answer.watermark, answer.nextAt)
        // If the slot was canceled ahead and the watermark does not lie after the slot, no node has launched it. Otherwise the
        // node that launched the slot is alive, and will launch the next slot too. If this node also tried to create the next
        // slot, the useless call would delay all nodes further.
        if (answer.watermark > item.scheduledAt || answer.state !== 'canceled' || answer.token > 0) {
          this.#parts.overdue.answered(job, -1)
          if (!job.isOverdue) this.#parts.capacity.peerHasRoom()
          job.isOverdue = false
        }
        return
      case 'off_schedule':
        this.#parts.overdue.answered(job, -1)
        this.#parts.registry.follow(job, item.jobVersion, answer.watermark, answer.nextAt)
        // Another node has recovered the slot as a missed slot, so that node is alive.
        if (answer.watermark >= item.scheduledAt) job.isOverdue = false
        return
      case 'absent':
      case 'stale_version':
      case 'pruned':
        this.#parts.registry.reload(job)
    }
  }

  #start(job: RegisteredJob, plan: JobPlan, item: CreateSlot, token: number, now: number): void {
    this.#parts.pool.run({
      job,
      plan,
      occurrence: {
        id: item.id,
        jobId: item.jobId,
        scheduledAt: item.scheduledAt,
        kind: 'slot',
        token,
        jobVersion: item.jobVersion,
        createdAt: now,
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
}

/**
 * Cancels the runs that a new occurrence displaces under `cancel_running`, and reports the runs that the occurrence displaces
 * under `queue_one`.
 */
export function notifyDisplaced(
  engine: EngineContext,
  { pool, registry }: { readonly pool: ExecutionPool; readonly registry: JobRegistry },
  job: RegisteredJob,
  answer: Extract<CreateAnswer, { readonly outcome: 'created' }>,
): void {
  for (const notice of answer.cancelRequested) pool.get(notice.id)?.cancel(notice.reason)
  if (answer.displaced.length === 0) return
  void pool.relay?.displaced(answer.displaced)
  for (const { scheduledAt } of answer.displaced) registry.skipped.note(job, 'displaced', scheduledAt)
  if (!engine.events.hears('occurrence.canceled')) return
  for (const { id: occurrenceId, jobId, scheduledAt } of answer.displaced) {
    const event = {
      jobId,
      jobName: job.job.name,
      occurrenceId,
      scheduledAt: new Date(scheduledAt),
      reason: 'displaced',
    }
    engine.events.emit('occurrence.canceled', event)
  }
}

/**
 * Reads an occurrence that this incarnation created and started in one call, if the answer to that call was lost. This node
 * still has to run such an occurrence. Its record has token 1, sequence 0 and task runs. Returns `null` for every other record.
 *
 * So the result is also `null` for a claimed occurrence, which has no task runs at first. The claimer runs a claimed
 * occurrence.
 */
export async function findUnacknowledgedStart(
  { owner, storage }: EngineContext,
  id: OccurrenceId,
): Promise<OccurrenceRecord | null> {
  const { occurrences } = await storage.repeated('get', (calls) => calls.get({ occurrences: [id] }))
  const record = occurrences[0] ?? null
  if (record === null || record.state !== 'running') return null
  const isMine = record.owner?.node === owner.node && record.owner.incarnation === owner.incarnation
  return isMine && record.token === 1 && record.sequence === 0 && record.runs.length > 0 ? record : null
}
