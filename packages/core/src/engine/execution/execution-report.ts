import { attemptId, type JobId, type OccurrenceId, taskId, taskRunId } from '../../ids.ts'
import type { BackfillReference, CoveredSpan } from '../../job/task.ts'
import type { AttemptReport, ExecutionReport, LogLine, ProgressReport, TaskReport } from '../../report.ts'
import {
  type AttemptRecord,
  type FinalState,
  type LogLineRecord,
  type OccurrenceDetails,
  type OccurrenceRecord,
  slotOf,
  type TaskRunRecord,
} from '../../storage/occurrence-record.ts'
import type { JobPlan } from '../definitions/job-plan.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'

const noLines: readonly LogLine[] = Object.freeze([])

/** Returns the report on an occurrence that has ended. */
export function reportOf(
  { job, occurrence }: { readonly job: RegisteredJob; readonly occurrence: StartedOccurrence },
  { settings }: JobPlan,
  runs: readonly TaskRunRecord[],
  end: { readonly outcome: FinalState; readonly reason: string | null; readonly finishedAt: number },
): ExecutionReport {
  const { outcome, reason, finishedAt } = end
  return {
    job: { id: occurrence.jobId, name: job.job.name, version: occurrence.jobVersion },
    occurrence: { id: occurrence.id, kind: occurrence.kind },
    scheduledAt: new Date(slotOf(occurrence.details) ?? occurrence.scheduledAt),
    startedAt: new Date(occurrence.startedAt),
    finishedAt: new Date(finishedAt),
    durationMs: finishedAt - occurrence.startedAt,
    outcome,
    reason,
    taskExecutionMode: settings.taskExecutionMode,
    failureStrategy: settings.failureStrategy,
    recovered: occurrence.recovered,
    backfill: backfillOf(occurrence.details),
    tasks: runs.map((run) => taskReportOf(occurrence.jobId, occurrence.id, run)),
  }
}

/** Returns the missed slots that a run covers, in the form of the public API; `null` if the run covers a single slot. */
export function spanOf({ span }: OccurrenceDetails): CoveredSpan | null {
  return span === undefined ? null : { from: new Date(span.from), to: new Date(span.to), count: span.count }
}

/** Returns the backfill of a run, in the form of the public API; `null` if the run belongs to no backfill. */
export function backfillOf({ backfill, requestKey }: OccurrenceDetails): BackfillReference | null {
  if (backfill === undefined) return null
  const { slot, from, to, which, order } = backfill
  return { key: requestKey as string, slot: new Date(slot), from: new Date(from), to: new Date(to), which, order }
}

/**
 * Returns the report on a task run. The ids in the report derive from the ids of job and occurrence, and from the task's name.
 */
export function taskReportOf(jobId: JobId, occurrenceId: OccurrenceId, run: TaskRunRecord): TaskReport {
  const id = taskId(jobId, run.task)
  const runId = taskRunId(occurrenceId, id)
  const first = run.attempts[0]
  const last = run.attempts.at(-1)
  return {
    id,
    runId,
    name: run.task,
    state: run.state,
    reason: run.reason ?? null,
    durationMs: first === undefined || last?.endedAt == null ? null : last.endedAt - startOf(first),
    result: run.result,
    error: last?.error ?? null,
    progress: progressOf(last),
    attemptCount: run.attempts.length + (run.omitted?.attempts ?? 0),
    attempts: run.attempts.map(
      (attempt): AttemptReport => ({
        id: attemptId(runId, attempt.number),
        number: attempt.number,
        state: attempt.state,
        startedAt: new Date(startOf(attempt)),
        endedAt: attempt.endedAt === null ? null : new Date(attempt.endedAt),
        durationMs: attempt.endedAt === null ? null : attempt.endedAt - startOf(attempt),
        error: attempt.error ?? null,
        reason: attempt.reason ?? null,
        progress: progressOf(attempt),
        logs: attempt.logs?.lines.map(logLineOf) ?? noLines,
        droppedLogs: attempt.logs?.dropped ?? 0,
      }),
    ),
  }
}

/**
 * Returns the start of an attempt, for display. A planned start may lie after the end of the attempt. In this case,
 * returns the end.
 */
function startOf({ startedAt, endedAt }: AttemptRecord): number {
  return endedAt === null ? startedAt : Math.min(startedAt, endedAt)
}

function progressOf(attempt: AttemptRecord | undefined): ProgressReport | null {
  const progress = attempt?.progress
  return progress === undefined ? null : { ...progress, at: new Date(progress.at) }
}

function logLineOf({ at, level, message, fields, cut }: LogLineRecord): LogLine {
  return { at: new Date(at), level, message, fields: fields ?? null, isCut: cut === true }
}

/** A running occurrence whose owner is this node. */
export interface StartedOccurrence
  extends Pick<
      OccurrenceRecord,
      'id' | 'jobId' | 'scheduledAt' | 'kind' | 'token' | 'jobVersion' | 'createdAt' | 'dueAt'
    >,
    Pick<OccurrenceRecord, 'executionTimeoutMs' | 'recovered' | 'details'> {
  readonly startedAt: number
}
