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

/** The two ids that a request may be recorded under. */
export interface RequestIds {
  readonly id: OccurrenceId
  /** A key whose request is skipped is not used up: the entry that says so has another id. */
  readonly skippedId: OccurrenceId
}

/** The ids of a request: new ones for each, but for the one that its key names. */
export function requestIdsOf(
  engine: Pick<EngineContext, 'owner' | 'random'>,
  { kind, base, details: { requestKey: key } }: Request,
): RequestIds {
  const unique = `${engine.owner.incarnation}:${uniqueSuffix(() => engine.random())}`
  const skippedId = requestedOccurrenceId(base, kind, unique)
  return { id: key === undefined ? skippedId : requestedOccurrenceId(base, kind, key), skippedId }
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
  return {
    kind,
    id: ids.id,
    jobId: job.job.id,
    scheduledAt: Math.max(dueAt, after + 1),
    dueAt,
    jobVersion: job.version,
    executionTimeoutMs,
    details: prioritized(details, plan.settings.priority),
    runs: starts ? initialRuns(plan.tasks, taskExecutionMode === 'parallel', now) : null,
    ...(ids.skippedId !== ids.id && { skippedId: ids.skippedId }),
  }
}
