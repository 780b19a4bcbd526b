import { type JobId, type OccurrenceId, replayOccurrenceId, triggerOccurrenceId } from '../../ids.ts'
import { prioritized } from '../../job/prioritized.ts'
import type { OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { CreateAnswer, CreateRequested, ReusableKey } from '../../storage/storage.ts'
import type { JobPlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { uniqueSuffix } from '../runtime/unique-suffix.ts'
import { initialRuns } from '../execution/task-run-records.ts'

/** One run that somebody asks for. */
export type Request = RequestBase &
  (
    | { readonly kind: 'trigger'; readonly base: JobId }
    /** `base` is the original; of a replay of a replay the original of the first of them. */
    | { readonly kind: 'replay'; readonly base: OccurrenceId }
  )

interface RequestBase {
  readonly details: OccurrenceDetails
  /** Not to start before, in epoch milliseconds; `null`: at once. */
  readonly startAt: number | null
  /** Until when the run blocks its key. `null`: for as long as its record is kept. */
  readonly keyScope?: ReusableKey['scope'] | null
}

/**
 * The ids that a request may be recorded under. A trigger has a new one, or the one that its key names. A replay has that of
 * the first number that no other replay of its original has. Made when they are asked for: a thousand requests may wait to
 * be sent, and texts take most of the room.
 */
export class RequestIds {
  readonly #incarnation: string
  readonly #request: Request
  readonly #chance: number
  #own: OccurrenceId | null = null
  #ofKey: OccurrenceId | null = null
  /** Of a replay: its number, as far as is known. */
  number = 1

  constructor(engine: Pick<EngineContext, 'owner' | 'random'>, request: Request) {
    this.#incarnation = engine.owner.incarnation
    this.#request = request
    this.#chance = engine.random()
  }

  /** A key that can be used again names many records: each has an id of its own. */
  get id(): OccurrenceId {
    const { kind, base } = this.#request
    if (kind === 'replay') return replayOccurrenceId(base, this.number)
    return this.#isScoped ? this.#unkeyed(base) : (this.ofKey ?? this.#unkeyed(base))
  }

  /** The id that the key of a trigger names; `null` without a key, and for a replay. */
  get ofKey(): OccurrenceId | null {
    const { kind, base, details } = this.#request
    if (kind === 'replay' || details.requestKey === undefined) return null
    this.#ofKey ??= triggerOccurrenceId(base, details.requestKey)
    return this.#ofKey
  }

  /** The key of a trigger that is skipped is not used up: the entry that says so has another id. */
  get skippedId(): OccurrenceId | null {
    const { kind, base, details } = this.#request
    return kind === 'replay' || details.requestKey === undefined || this.#isScoped ? null : this.#unkeyed(base)
  }

  /** Unique to the request. */
  get unique(): string {
    return `${this.#incarnation}:${uniqueSuffix(this.#chance)}`
  }

  /** What requests are stored one after the other for: those of one key, and the replays of one original. */
  get turn(): OccurrenceId | null {
    const { kind, base } = this.#request
    return kind === 'replay' ? base : this.ofKey
  }

  get #isScoped(): boolean {
    return this.#request.keyScope != null
  }

  /** Whether no other request has the id of this one. */
  get isNew(): boolean {
    return this.ofKey === null || this.#isScoped
  }

  #unkeyed(base: JobId): OccurrenceId {
    this.#own ??= triggerOccurrenceId(base, this.unique)
    return this.#own
  }
}

/**
 * Whether an answer `exists` speaks of the record that this very request created, whose first answer got lost: no other
 * request has this id.
 */
export function isOwnRecord(
  item: CreateRequested,
  ids: RequestIds,
  answer: Extract<CreateAnswer, { readonly outcome: 'exists' }>,
): boolean {
  return answer.id === undefined && item.kind === 'trigger' && ids.isNew
}

/** When a request is due, in epoch milliseconds. */
export function dueAtOf({ startAt }: Request, now: number): number {
  return Math.max(startAt ?? now, now)
}

/** A request as it is sent to the storage; `starts`: to begin in the step that creates it. */
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
    details: prioritized(kind === 'replay' ? { ...details, requestId: ids.unique } : details, plan.settings.priority),
    runs: starts ? initialRuns(plan.tasks, taskExecutionMode === 'parallel', now) : null,
  }
  const { ofKey, skippedId } = ids
  const { keyScope: scope } = request
  if (scope != null && ofKey !== null) return { ...item, key: { id: ofKey, scope } }
  return skippedId === null ? item : { ...item, skippedId }
}
