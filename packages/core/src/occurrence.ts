import { dateOf } from './instant.ts'
import { backfillOf, spanOf, taskReportOf } from './engine/execution/execution-report.ts'
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
  /** How the occurrence came to be: as a slot, by a trigger or by a replay. */
  readonly kind: OccurrenceKind
  readonly state: OccurrenceState
  /** Why the occurrence is in its state; `null` if the state is self-explanatory. */
  readonly reason: OccurrenceReason | null
  /**
   * The instant of the slot. For a trigger, a replay or a run of a backfill: the instant of the request, or of the planned
   * start. Lists of occurrences are sorted by `scheduledAt`.
   */
  readonly scheduledAt: Date
  /**
   * The instant that the run works for, if it differs from `scheduledAt`; the handler gets this instant as
   * `context.scheduledAt`. For a run of a backfill: the slot to make up for. For a replay: the instant of its original.
   * `null` for other runs.
   */
  readonly slot: Date | null
  readonly createdAt: Date
  /** When the present or last owner claimed the occurrence; `null` before the first claim. */
  readonly startedAt: Date | null
  /** When the occurrence reached a final state; `null` until then. */
  readonly finishedAt: Date | null
  /** Name of the node that owns the occurrence or was its last owner; `null` if it has had no owner. */
  readonly node: string | null
  /** Number of owners of the occurrence so far; 0 before the first claim. */
  readonly fencingToken: number
  /** The version of the job when the occurrence was created. */
  readonly jobVersion: number
  /** Priority of the occurrence among waiting occurrences, -10 to 10: a higher number runs earlier. */
  readonly priority: number
  /** True if the recovery of missed slots created the occurrence. */
  readonly recovered: boolean
  /** The original that this occurrence replays; `null` if the occurrence is no replay. */
  readonly replayOf: OccurrenceId | null
  /** The backfill of this run, with the slot that the run makes up for; `null` if the run belongs to no backfill. */
  readonly backfill: BackfillReference | null
  /** The key of the request; `null` for a request without a key. */
  readonly requestKey: string | null
  /** The reason that the caller gave for the trigger or replay; `null` if the caller gave none. */
  readonly requestReason: string | null
  /** The actor that the caller named for the trigger or replay; `null` if the caller named none. */
  readonly requestActor: string | null
  /** The first request to cancel the occurrence; `null` if no caller has requested it. */
  readonly cancelRequest: { readonly at: Date; readonly reason: string; readonly actor: string | null } | null
  /** How many times a node took the occurrence from a dead or stale owner and made it pending again. */
  readonly rescues: number
  /** Data that the caller passed to `trigger` or `replay`; `undefined` without data. */
  readonly input: JsonValue | undefined
  /** The missed slots that the run covers; `null` for a single slot. */
  readonly span: { readonly from: Date; readonly to: Date; readonly count: number } | null
  /** The tasks of the occurrence that have started, in the job's order. */
  readonly tasks: readonly TaskReport[]
}

/** An occurrence with the name of its job, as lists contain it. */
export interface ListedOccurrence extends Occurrence {
  /** The name of the occurrence's job. `null` if the job was deleted and pruned while the list was read. */
  readonly job: string | null
}

/** A failure in a list. */
export interface Failure extends ListedOccurrence {
  /** The later completed run that makes up for this failure; `null` if no completed run makes up for it. */
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
    span: spanOf(details),
    tasks: shownRuns(record).map((run) => taskReportOf(record.jobId, record.id, run)),
  }
}
