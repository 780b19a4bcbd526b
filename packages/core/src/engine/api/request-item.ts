import type { EventHub } from '../../events.ts'
import { isFinal, type OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { CallerContext } from '../storage-access/caller-context.ts'
import { resultOf, type TriggerResult } from './request-options.ts'
import { type JobId, type OccurrenceId, replayOccurrenceId, triggerOccurrenceId } from '../../ids.ts'
import { prioritized } from '../../job/job-document.ts'
import type { CreateAnswer, CreateRequested, ReusableKey } from '../../storage/storage.ts'
import { type JobPlan, overridePlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { uniqueSuffix } from '../runtime/unique-suffix.ts'
import { initialRuns } from '../execution/task-run-records.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'

/** A request for one run: a trigger or a replay. */
export type Request = RequestBase &
  (
    | { readonly kind: 'trigger'; readonly base: JobId }
    /**
     * `base` is the id of the occurrence that the replay runs again. For a replay of a replay, `base` is the original of the
     * first replay.
     */
    | { readonly kind: 'replay'; readonly base: OccurrenceId }
  )

interface RequestBase {
  readonly details: OccurrenceDetails
  /** The earliest start of the run, in epoch milliseconds; `null`: at once. */
  readonly startAt: number | null
  /** How long the run blocks its key. `null`: as long as the storage keeps the run's record. */
  readonly keyScope?: ReusableKey['scope'] | null
}

/**
 * The possible ids of a request's record.
 *
 * A trigger gets a new id, or the id that derives from its key. A replay gets the id of the first number that no other
 * replay of its original has. Ids are created on first use: thousands of requests may wait, and strings would take most of
 * their memory.
 */
export class RequestIds {
  readonly #incarnation: string
  readonly #request: Request
  readonly #chance: number
  #own: OccurrenceId | null = null
  #ofKey: OccurrenceId | null = null
  /** The number of a replay among the replays of its original. If another replay has the number, `RequestCreator` raises it. */
  number = 1

  constructor(engine: Pick<EngineContext, 'owner' | 'random'>, request: Request) {
    this.#incarnation = engine.owner.incarnation
    this.#request = request
    this.#chance = engine.random()
  }

  /** The id of the request's record. Under a reusable key, each record has a new id. */
  get id(): OccurrenceId {
    const { kind, base } = this.#request
    if (kind === 'replay') return replayOccurrenceId(base, this.number)
    return this.#isScoped ? this.#unkeyed(base) : (this.ofKey ?? this.#unkeyed(base))
  }

  /** The id that derives from a trigger's key; `null` for a trigger without a key, and for a replay. */
  get ofKey(): OccurrenceId | null {
    const { kind, base, details } = this.#request
    if (kind === 'replay' || details.requestKey === undefined) return null
    this.#ofKey ??= triggerOccurrenceId(base, details.requestKey)
    return this.#ofKey
  }

  /**
   * The id of the record if the request is skipped. A skipped trigger does not block its key, so this id differs from the
   * key's id.
   */
  get skippedId(): OccurrenceId | null {
    const { kind, base, details } = this.#request
    return kind === 'replay' || details.requestKey === undefined || this.#isScoped ? null : this.#unkeyed(base)
  }

  /** An id that belongs to this request only. */
  get unique(): string {
    return `${this.#incarnation}:${uniqueSuffix(this.#chance)}`
  }

  /**
   * Requests with an equal `turn` are stored one after the other. These are requests with one key, and replays of one
   * original.
   */
  get turn(): OccurrenceId | null {
    const { kind, base } = this.#request
    return kind === 'replay' ? base : this.ofKey
  }

  get #isScoped(): boolean {
    return this.#request.keyScope != null
  }

  /** Whether no other request can have the id of this request. */
  get isNew(): boolean {
    return this.ofKey === null || this.#isScoped
  }

  #unkeyed(base: JobId): OccurrenceId {
    this.#own ??= triggerOccurrenceId(base, this.unique)
    return this.#own
  }
}

/** A request to run a job, with the data that its storage calls need. */
export interface Sending {
  readonly job: RegisteredJob
  readonly request: Request
  /** The scheduled time of the record must lie after this instant, in epoch milliseconds. */
  readonly after: number
  readonly ids: RequestIds
  readonly asked: CallerContext
}

/** Handles an answer without a created record. Returns the result of the request, or the request to send again. */
export async function followAnswer<One extends Sending>(
  registry: JobRegistry,
  one: One,
  item: CreateRequested,
  answer: Exclude<CreateAnswer, { readonly outcome: 'created' }>,
): Promise<TriggerResult | One> {
  const { job, ids, asked } = one
  switch (answer.outcome) {
    case 'exists': {
      const { state, id = item.id } = answer
      // Only this request has the id. So its first call created the record, and the answer to that call was lost.
      const created = answer.id === undefined && item.kind === 'trigger' && ids.isNew
      // The answer lacks the reason of the state. Only the record of a final occurrence has a reason to read.
      if (!isFinal(state)) return resultOf({ id, state, reason: null, created })
      const { occurrences } = await asked.repeated('get', (calls) => calls.get({ occurrences: [id] }))
      return resultOf({ id, state, reason: occurrences[0]?.reason ?? null, created })
    }
    case 'pruned':
      // If this node's clock is behind, the prune floor may lie in its future. The storage accepts only records after the prune
      // floor.
      return { ...one, after: answer.pruneFloor }
    case 'stale_version':
    case 'absent': {
      // The job's version has changed since this node read the job, so this node reads the job again.
      const present = await registry.reloadNow(job)
      if (present === null) throw jobGone(job)
      return { ...one, job: present }
    }
    case 'queue_full':
      throw queueFull(job, answer.maxQueued)
    case 'off_schedule':
      throw jobGone(job)
  }
}

/** Emits `occurrence.created`. */
export function tellCreated(
  events: EventHub,
  { id: jobId, name: jobName }: { readonly id: JobId; readonly name: string },
  { kind, scheduledAt }: CreateRequested,
  { id: occurrenceId, state, reason }: Pick<TriggerResult, 'id' | 'state' | 'reason'>,
): void {
  if (!events.hears('occurrence.created')) return
  const names = { jobId, jobName, occurrenceId }
  events.emit('occurrence.created', { ...names, scheduledAt: new Date(scheduledAt), kind, state, reason })
}

/** Returns the instant at which a request is due, in epoch milliseconds. */
export function dueAtOf({ startAt }: Request, now: number): number {
  return Math.max(startAt ?? now, now)
}

/** Returns the item of the storage call that creates the request's occurrence. `starts`: the same call starts the run. */
export function requestItemOf(
  job: RegisteredJob,
  plan: JobPlan,
  request: Request,
  how: { readonly ids: RequestIds; readonly now: number; readonly after: number; readonly starts: boolean },
): CreateRequested {
  const { kind, details } = request
  const { ids, now, after, starts } = how
  const dueAt = dueAtOf(request, now)
  const { executionTimeoutMs, taskExecutionMode } = plan.settings
  const item: CreateRequested = {
    kind,
    id: ids.id,
    jobId: job.job.id,
    scheduledAt: Math.max(dueAt, after + 1),
    dueAt,
    jobVersion: job.version,
    executionTimeoutMs,
    details: prioritized(kind === 'replay' ? { ...details, requestId: ids.unique } : details, plan.settings),
    runs: starts ? initialRuns(plan.tasks, taskExecutionMode === 'parallel', now) : null,
  }
  const { ofKey, skippedId } = ids
  const { keyScope: scope } = request
  if (scope != null && ofKey !== null) return { ...item, key: { id: ofKey, scope } }
  return skippedId === null ? item : { ...item, skippedId }
}

/**
 * Returns the plan of a job for one request, with the request's overrides and tasks. `path` is the prefix of field names
 * in errors. @throws JobistemerError `HANDLER_NOT_FOUND`, `TASK_NOT_FOUND`
 */
export function planOfRequest(
  registry: JobRegistry,
  job: RegisteredJob,
  details: OccurrenceDetails,
  path = '',
): JobPlan {
  const plan = planWithHandlers(registry, job, path)
  const { tasks, overrides } = details
  for (const name of tasks ?? []) {
    if (!plan.tasks.some((task) => task.name === name)) throw noTask(job, plan, name, `${path}tasks`)
  }
  return tasks === undefined && overrides === undefined ? plan : overridePlan(plan, overrides ?? {}, tasks ?? null)
}

/**
 * Returns the names of the task `first` and of all later tasks. @throws JobistemerError `HANDLER_NOT_FOUND`,
 * `TASK_NOT_FOUND`
 */
export function tasksFrom(registry: JobRegistry, job: RegisteredJob, first: string): readonly string[] {
  const plan = planWithHandlers(registry, job, '')
  const index = plan.tasks.findIndex((task) => task.name === first)
  if (index < 0) throw noTask(job, plan, first, 'from')
  return plan.tasks.slice(index).map((task) => task.name)
}

function planWithHandlers(registry: JobRegistry, job: RegisteredJob, path: string): JobPlan {
  const plan = registry.plans.planOf(job)
  if (plan === null) throw noHandlers(job, registry.plans.missingOf(job), path)
  return plan
}

function noTask(job: RegisteredJob, plan: JobPlan, name: string, field: string): JobistemerError {
  return new JobistemerError('TASK_NOT_FOUND', {
    message: `Job ${printValue(job.job.name)} has no task of the name ${printValue(name)}.`,
    field,
    value: name,
    remedy: `Its tasks are ${plan.tasks.map((task) => printValue(task.name)).join(', ')}.`,
  })
}

function noHandlers({ job }: RegisteredJob, missing: readonly string[], path: string): JobistemerError {
  return new JobistemerError('HANDLER_NOT_FOUND', {
    message: `Job ${printValue(job.name)} needs handlers that this node lacks: ${missing.map(printValue).join(', ')}.`,
    field: path === '' ? 'handlers' : `${path}job`,
    value: missing,
    remedy:
      'Pass them to createScheduler({ handlers }), correct the names, or send the request to a node that has them.',
  })
}

/** The error of a request that the storage rejects because the job's queue is full. The request is not stored. */
function queueFull({ job }: RegisteredJob, maxQueued: number): JobistemerError {
  return new JobistemerError('QUEUE_FULL', {
    message: `The queue of job ${printValue(job.name)} is full: maxQueued is ${maxQueued}. The request is not stored.`,
    field: 'maxQueued',
    value: maxQueued,
    remedy: 'Repeat the request later, or raise maxQueued of the job.',
  })
}

/** The error of a request whose job was deleted. */
export function jobGone(job: RegisteredJob): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `Job ${printValue(job.job.name)} was deleted.`,
    field: 'name',
    value: job.job.name,
    remedy: 'Define it again.',
  })
}
