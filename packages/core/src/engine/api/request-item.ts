import { prioritized } from '../../job/job-document.ts'
import { type JobId, type OccurrenceId, replayOccurrenceId, triggerOccurrenceId } from '../../ids.ts'
import type { OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { CreateAnswer, CreateRequested, ReusableKey } from '../../storage/storage.ts'
import type { JobPlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { uniqueSuffix } from '../runtime/unique-suffix.ts'
import { initialRuns } from '../execution/task-run-records.ts'

/** A request for one run. */
export type Request = RequestBase &
  (
    | { readonly kind: 'trigger'; readonly base: JobId }
    /** `base` is the id of the original. For a replay of a replay, it is the original of the first replay. */
    | { readonly kind: 'replay'; readonly base: OccurrenceId }
  )

interface RequestBase {
  readonly details: OccurrenceDetails
  /** The earliest start, in epoch milliseconds; `null`: at once. */
  readonly startAt: number | null
  /** Until when the run blocks its key. `null`: while its record is kept. */
  readonly keyScope?: ReusableKey['scope'] | null
}

/**
 * The possible ids of a request's record. A trigger gets a new id, or the id that derives from its key. A replay gets the id
 * of the first number that no other replay of its original has. Ids are created on first use: thousands of requests may wait
 * to be sent, and strings would take most of their memory.
 */
export class RequestIds {
  readonly #incarnation: string
  readonly #request: Request
  readonly #chance: number
  #own: OccurrenceId | null = null
  #ofKey: OccurrenceId | null = null
  /** The number of a replay. Its creator raises the number if another replay has it. */
  number = 1

  constructor(engine: Pick<EngineContext, 'owner' | 'random'>, request: Request) {
    this.#incarnation = engine.owner.incarnation
    this.#request = request
    this.#chance = engine.random()
  }

  /** The id of the record. With a reusable key, each record has a new id. */
  get id(): OccurrenceId {
    const { kind, base } = this.#request
    if (kind === 'replay') return replayOccurrenceId(base, this.number)
    return this.#isScoped ? this.#unkeyed(base) : (this.ofKey ?? this.#unkeyed(base))
  }

  /** The id that derives from the key of a trigger; `null` without a key, and for a replay. */
  get ofKey(): OccurrenceId | null {
    const { kind, base, details } = this.#request
    if (kind === 'replay' || details.requestKey === undefined) return null
    this.#ofKey ??= triggerOccurrenceId(base, details.requestKey)
    return this.#ofKey
  }

  /** The id of the record of a skip. It differs from the key's id, because a skipped trigger does not block its key. */
  get skippedId(): OccurrenceId | null {
    const { kind, base, details } = this.#request
    return kind === 'replay' || details.requestKey === undefined || this.#isScoped ? null : this.#unkeyed(base)
  }

  /** An id that no other request has. */
  get unique(): string {
    return `${this.#incarnation}:${uniqueSuffix(this.#chance)}`
  }

  /** Requests with equal values are stored one after the other: requests with one key, and replays of one original. */
  get turn(): OccurrenceId | null {
    const { kind, base } = this.#request
    return kind === 'replay' ? base : this.ofKey
  }

  get #isScoped(): boolean {
    return this.#request.keyScope != null
  }

  /** Whether the id of this request is unique to it. */
  get isNew(): boolean {
    return this.ofKey === null || this.#isScoped
  }

  #unkeyed(base: JobId): OccurrenceId {
    this.#own ??= triggerOccurrenceId(base, this.unique)
    return this.#own
  }
}

/**
 * Returns whether an answer `exists` refers to the record of this same request. The id is unique to the request, so the answer
 * to its first call was lost.
 */
export function isOwnRecord(
  item: CreateRequested,
  ids: RequestIds,
  answer: Extract<CreateAnswer, { readonly outcome: 'exists' }>,
): boolean {
  return answer.id === undefined && item.kind === 'trigger' && ids.isNew
}

/** Returns when a request is due, in epoch milliseconds. */
export function dueAtOf({ startAt }: Request, now: number): number {
  return Math.max(startAt ?? now, now)
}

/** Returns the item of a storage call that creates the request. `starts`: the run starts in that call. */
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
