import { dateOf } from './instant.ts'
import { backfillOf, taskReportOf } from './engine/execution/execution-report.ts'
import { shownRuns } from './engine/execution/task-run-records.ts'
import type { JobId, OccurrenceId } from './ids.ts'
import type { BackfillReference } from './job/task.ts'
import type { JsonValue } from './json.ts'
import type { OccurrenceReason } from './occurrence-reason.ts'
import type { TaskReport } from './report.ts'
import {
  type OccurrenceKind,
  type OccurrenceRecord,
  type OccurrenceState,
  slotOf,
} from './storage/occurrence-record.ts'

/** A stored occurrence, as the operations return it. */
export interface Occurrence {
  readonly id: OccurrenceId
  readonly jobId: JobId
  /** How it came to be. */
  readonly kind: OccurrenceKind
  readonly state: OccurrenceState
  /** Why the occurrence is in its state; `null` if the state is self-explanatory. */
  readonly reason: OccurrenceReason | null
  /**
   * The slot. For a trigger, a replay or a run of a backfill: the instant of the request, or of the planned start.
   * Lists are in this order.
   */
  readonly scheduledAt: Date
  /**
   * The instant that the run works for, if that is not `scheduledAt`; its handler gets it as `context.scheduledAt`. A
   * run of a backfill has its slot, a replay has the instant of its original. `null` for other runs.
   */
  readonly slot: Date | null
  readonly createdAt: Date
  /** When the present or last owner claimed the occurrence; `null` before the first claim. */
  readonly startedAt: Date | null
  /** When the occurrence reached a final state; `null` before. */
  readonly finishedAt: Date | null
  /** The present or last owner. */
  readonly node: string | null
  /** Number of owners so far. */
  readonly fencingToken: number
  /** The version of the job at the creation of the occurrence. */
  readonly jobVersion: number
  /** Priority among waiting occurrences, -10 to 10: a higher number runs earlier. */
  readonly priority: number
  /** True when recovery of missed slots created it. */
  readonly recovered: boolean
  /** The occurrence that this one replays; otherwise `null`. */
  readonly replayOf: OccurrenceId | null
  /** The backfill of this run, with the slot that the run makes up for; otherwise `null`. */
  readonly backfill: BackfillReference | null
  /** The key of the request; `null` without one. */
  readonly requestKey: string | null
  /** The reason that the caller gave for the trigger or replay; `null` without one. */
  readonly requestReason: string | null
  /** The actor that the caller named for the trigger or replay; `null` without one. */
  readonly requestActor: string | null
  /** The first cancel request; `null` without one. */
  readonly cancelRequest: { readonly at: Date; readonly reason: string; readonly actor: string | null } | null
  /** How many times a node took the occurrence from a dead or stale owner and released it for another attempt. */
  readonly rescues: number
  /** Data handed to `trigger` or `replay`. */
  readonly input: JsonValue | undefined
  /** The missed slots that the run covers; `null` for a single slot. */
  readonly span: { readonly from: Date; readonly to: Date; readonly count: number } | null
  /** The tasks that have started, in the job's order. */
  readonly tasks: readonly TaskReport[]
}

/** An occurrence in a list. */
export interface ListedOccurrence extends Occurrence {
  /** The name of its job. `null` if the job was deleted and pruned while the list was read. */
  readonly job: string | null
}

/** A failure in a list. */
export interface Failure extends ListedOccurrence {
  /** The later completed run that makes up for the failure; `null` if no run does. */
  readonly resolvedBy: OccurrenceId | null
}

export function occurrenceOf(record: OccurrenceRecord): Occurrence {
  const { details } = record
  return {
    id: record.id,
    jobId: record.jobId,
    kind: record.kind,
    state: record.state,
    reason: record.reason,
    scheduledAt: new Date(record.scheduledAt),
    slot: dateOf(slotOf(details)),
    createdAt: new Date(record.createdAt),
    startedAt: dateOf(record.startedAt),
    finishedAt: dateOf(record.finishedAt),
    node: record.owner?.node ?? null,
    fencingToken: record.token,
    jobVersion: record.jobVersion,
    priority: details.priority ?? 0,
    recovered: record.recovered,
    replayOf: details.replayOf ?? null,
    backfill: backfillOf(details),
    requestKey: details.requestKey ?? null,
    requestReason: details.requestReason ?? null,
    requestActor: details.requestActor ?? null,
    cancelRequest:
      record.cancelRequest === null ? null : { ...record.cancelRequest, at: new Date(record.cancelRequest.at) },
    rescues: record.rescues,
    input: details.data,
    span:
      details.span === undefined
        ? null
        : { from: new Date(details.span.from), to: new Date(details.span.to), count: details.span.count },
    tasks: shownRuns(record).map((run) => taskReportOf(record.jobId, record.id, run)),
  }
}
