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

/** An occurrence as the storage has it, for people and programs to look at. */
export interface Occurrence {
  readonly id: OccurrenceId
  readonly jobId: JobId
  /** How it came to be. */
  readonly kind: OccurrenceKind
  readonly state: OccurrenceState
  /** Why it is in its state, where that alone does not say. */
  readonly reason: OccurrenceReason | null
  /** The slot; for a trigger, a replay or a run of a backfill, when it was asked for, or is to start. Lists are in this order. */
  readonly scheduledAt: Date
  /**
   * The instant that the run works for, where that is not `scheduledAt`; its handler has it as `context.scheduledAt`. Of a
   * backfill's run: its slot. Of a replay: the instant that its original worked for. `null` for other runs.
   */
  readonly slot: Date | null
  readonly createdAt: Date
  /** When the present or last owner took it; `null` before the first. */
  readonly startedAt: Date | null
  /** When it reached a final state; `null` before. */
  readonly finishedAt: Date | null
  /** The node that has it, or had it last. */
  readonly node: string | null
  /** How many owners it has had. */
  readonly fencingToken: number
  /** The version of the job that it was created under. */
  readonly jobVersion: number
  /** How urgent it is beside others that wait, -10 to 10: the higher goes first. */
  readonly priority: number
  /** True when recovery of missed slots created it. */
  readonly recovered: boolean
  /** The occurrence that it replays; `null` for others. */
  readonly replayOf: OccurrenceId | null
  /** The backfill that it is a run of, with the slot that it makes up for; `null` for others. */
  readonly backfill: BackfillReference | null
  /** The key that it was triggered or replayed with; `null` without one. */
  readonly requestKey: string | null
  /** Why it was triggered or replayed, as whoever asked said; `null` when nobody did. */
  readonly requestReason: string | null
  /** Who triggered or replayed it; `null` when nobody said. */
  readonly requestActor: string | null
  /** The first request for its cancellation; `null` without one. */
  readonly cancelRequest: { readonly at: Date; readonly reason: string; readonly actor: string | null } | null
  /** How often it was taken from a node that was gone, and handed on. */
  readonly rescues: number
  /** Data handed to `trigger` or `replay`. */
  readonly input: JsonValue | undefined
  /** The slots that it stands for, when there are several. */
  readonly span: { readonly from: Date; readonly to: Date; readonly count: number } | null
  /** Those that have started, in the job's order. */
  readonly tasks: readonly TaskReport[]
}

/** An occurrence in a list. */
export interface ListedOccurrence extends Occurrence {
  /** The name of its job. `null` when that is gone: it was deleted, and has been pruned since the list was read. */
  readonly job: string | null
}

/** A failure in a list. */
export interface Failure extends ListedOccurrence {
  /** The run that was completed since and makes up for it; `null` while there is none. */
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
    slot: toDate(slotOf(details)),
    createdAt: new Date(record.createdAt),
    startedAt: toDate(record.startedAt),
    finishedAt: toDate(record.finishedAt),
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

function toDate(milliseconds: number | null): Date | null {
  return milliseconds === null ? null : new Date(milliseconds)
}
