import { type JobId, type OccurrenceId, requestedOccurrenceId } from '../../ids.ts'
import { prioritized } from '../../job/prioritized.ts'
import type { OccurrenceDetails } from '../../storage/occurrence-record.ts'
import type { CreateRequested } from '../../storage/storage.ts'
import type { JobPlan } from '../jobs/job-plan.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import type { EngineContext } from '../loop/engine-context.ts'
import { uniqueSuffix } from '../loop/unique-suffix.ts'
import { initialRuns } from '../run/task-run-records.ts'

/** One run that somebody asks for. */
export interface Request {
  readonly kind: 'trigger' | 'replay'
  /** What the id derives from, together with the key of the request. */
  readonly base: JobId | OccurrenceId
  readonly details: OccurrenceDetails
  /** Not to start before, in epoch milliseconds; `null`: at once. */
  readonly startAt: number | null
}

/**
 * The two ids that a request may be recorded under: new ones for each, but for the one that its key names. Made when they
 * are asked for: a thousand requests may wait to be sent, and texts take most of the room.
 */
export class RequestIds {
  readonly #incarnation: string
  readonly #request: Request
  readonly #chance: number
  #own: OccurrenceId | null = null
  #ofKey: OccurrenceId | null = null

  constructor(engine: Pick<EngineContext, 'owner' | 'random'>, request: Request) {
    this.#incarnation = engine.owner.incarnation
    this.#request = request
    this.#chance = engine.random()
  }

  get id(): OccurrenceId {
    const { kind, base, details } = this.#request
    if (details.requestKey === undefined) return this.skippedId
    this.#ofKey ??= requestedOccurrenceId(base, kind, details.requestKey)
    return this.#ofKey
  }

  /** A key whose request is skipped is not used up: the entry that says so has another id. */
  get skippedId(): OccurrenceId {
    const { kind, base } = this.#request
    this.#own ??= requestedOccurrenceId(base, kind, `${this.#incarnation}:${uniqueSuffix(this.#chance)}`)
    return this.#own
  }
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
    details: prioritized(details, plan.settings.priority),
    runs: starts ? initialRuns(plan.tasks, taskExecutionMode === 'parallel', now) : null,
  }
  return details.requestKey === undefined ? item : { ...item, skippedId: ids.skippedId }
}
