import type { IsolatedAttemptData } from '../../../isolated/messages.ts'
import type { TaskContext } from '../../../job/task.ts'
import type { JsonValue } from '../../../json.ts'

/** Returns the data of an attempt that its child receives: all context members except those that call the node. */
export function attemptData(context: TaskContext): IsolatedAttemptData {
  const { backfill, span, input, data } = context
  return {
    job: context.job,
    occurrence: context.occurrence,
    scheduledAt: context.scheduledAt.getTime(),
    requestedAt: context.requestedAt?.getTime() ?? null,
    startedAt: context.startedAt.getTime(),
    latenessMs: context.latenessMs,
    recovered: context.recovered,
    replayOf: context.replayOf,
    backfill: backfill === null ? null : { key: backfill.key, slot: backfill.slot.getTime() },
    span: span === null ? null : { from: span.from.getTime(), to: span.to.getTime(), count: span.count },
    fencingToken: context.fencingToken,
    ...(input !== undefined && { input }),
    task: context.task,
    taskRunId: context.taskRunId,
    attemptId: context.attemptId,
    attempt: context.attempt,
    ...(data !== undefined && { data: data as JsonValue }),
    results: context.results as Readonly<Record<string, JsonValue>>,
  }
}
