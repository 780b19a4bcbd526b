import type { JobId, OccurrenceId } from '../ids.ts'
import type { JsonObject, JsonValue } from '../json.ts'

/** The states of an occurrence. The last seven are terminal. */
export type OccurrenceState =
  /** Waits for a node with a free permit; has no owner. */
  | 'pending'
  /** Waits until the active occurrence of its job ends; has no owner. */
  | 'queued'
  /** Belongs to the node that holds its token. */
  | 'running'
  | 'completed'
  /** All tasks ran under the failure strategy `continue`, and at least one failed. */
  | 'completed_with_errors'
  | 'failed'
  | 'canceled'
  /** Its owner did not settle it in time; ended by a reaper. */
  | 'failed_stale'
  /** Not run, with the reason: overlap, a full queue, a pause. */
  | 'skipped'
  /** Not run, by the recovery strategy. May cover many slots, see `span`. */
  | 'missed'

/** The terminal states, which never change. */
export type FinalState = Exclude<OccurrenceState, 'pending' | 'queued' | 'running'>

/** The states of a live occurrence. */
export type LiveState = Exclude<OccurrenceState, FinalState>

/** Occurrences in an `active` state block later ones of their job, unless its overlap policy is `allow`. */
export const liveStates: readonly LiveState[] = ['pending', 'queued', 'running']

/** The terminal states. */
export const finalStates: readonly FinalState[] = [
  'completed',
  'completed_with_errors',
  'failed',
  'canceled',
  'failed_stale',
  'skipped',
  'missed',
]

/** The terminal states of runs that failed. Canceled, skipped and missed occurrences are no failures. */
export type FailedState = Extract<FinalState, 'completed_with_errors' | 'failed' | 'failed_stale'>

/** The states of failures. A storage keeps an index of occurrences in these states. */
export const failedStates: readonly FailedState[] = ['completed_with_errors', 'failed', 'failed_stale']

/** Whether a state is that of a failure. */
export function isFailure(state: OccurrenceState): state is FailedState {
  return state === 'failed' || state === 'completed_with_errors' || state === 'failed_stale'
}

/** Whether a state is terminal. */
export function isFinal(state: OccurrenceState): state is FinalState {
  return state !== 'pending' && state !== 'queued' && state !== 'running'
}

/** Addresses an occurrence. Adapters may find it by the id alone, or by the part that suits their layout. */
export interface OccurrenceAddress {
  readonly id: OccurrenceId
  readonly jobId: JobId
  /** Epoch milliseconds. */
  readonly scheduledAt: number
}

/** The owner of an occurrence: a node and its incarnation. */
export interface Owner {
  /** The node's name. */
  readonly node: string
  /** Unique to one start of one process: distinguishes the lives of a node. */
  readonly incarnation: string
}

/** The slots that a record covers. */
export interface SlotSpan {
  /** First slot, epoch milliseconds, inclusive. */
  readonly from: number
  /** Last slot, epoch milliseconds, inclusive. */
  readonly to: number
  /** How many slots. */
  readonly count: number
}

/** The slot of a run of a backfill, and the parameters of the backfill. The backfill's key is the `requestKey`. */
export interface BackfillRecord {
  /** Epoch milliseconds. */
  readonly slot: number
  /** The span, epoch milliseconds, inclusive. */
  readonly from: number
  /** The end of the span, epoch milliseconds, exclusive. */
  readonly to: number
  /** Which slots the backfill runs. */
  readonly which: 'all' | 'missed' | 'failed' | 'missed_and_failed'
  /** The order of its runs. */
  readonly order: 'oldest_first' | 'newest_first'
  /**
   * Number of concurrent runs of the backfill. The end of each run creates the run of the slot that is `lanes` slots
   * later. At least 1.
   */
  readonly lanes: number
}

/** The position in a trace, in the format of the W3C recommendation Trace Context. */
export interface TraceContext {
  /** Version, trace, span and flags: 55 characters. */
  readonly traceparent: string
  /** Vendor-specific data; at most 512 characters. */
  readonly tracestate?: string
}

/** Members that only some occurrences have. Storages keep them as JSON; absent members stay absent. */
export interface OccurrenceDetails {
  /** An integer from -10 to 10; a higher number runs earlier, see `orderAt`. Absent if it is 0. */
  readonly priority?: number
  /** The tasks that `trigger` or `replay` has chosen; only these run. */
  readonly tasks?: readonly string[]
  /** Data handed to `trigger` or `replay`. */
  readonly data?: JsonValue
  /** The job's payload schema has checked the data. */
  readonly isParsed?: true
  /** Settings of this trigger, which override those of the job and the tasks. */
  readonly overrides?: JsonObject
  /** The occurrence that this one replays. */
  readonly replayOf?: OccurrenceId
  /** For a replay: the instant of its original, epoch milliseconds. */
  readonly slot?: number
  /** For a replay of a replay: the occurrence that the first of them replays. */
  readonly root?: OccurrenceId
  /** For a replay: unique to its request, to distinguish a repeated call from another request. */
  readonly requestId?: string
  /** For a replay: it leaves out a task that the original has not completed, so its success does not resolve the failure. */
  readonly isPartial?: true
  /** Results of the replayed occurrence's tasks that do not run again. */
  readonly results?: JsonObject
  /** The key of the request, if it had one. */
  readonly requestKey?: string
  /** For a request with a reusable key: the id of the key, see `CreateRequested.key`. */
  readonly keyId?: OccurrenceId
  /** The reason that the caller gave for the trigger or replay. */
  readonly requestReason?: string
  /** The actor of the trigger or replay. */
  readonly requestActor?: string
  /** The slots that a `missed` record, a compressed run or its replay covers. */
  readonly span?: SlotSpan
  /** The backfill that requested the run. */
  readonly backfill?: BackfillRecord
  /** The trace context of the requesting call, if that was traced. */
  readonly trace?: TraceContext
  /**
   * Set by the storage on a row that it cannot read: the damaged part, `details` or `runs`. The node that starts such an
   * occurrence fails it with `RECORD_UNREADABLE` and calls no handler.
   */
  readonly unreadable?: string
}

/**
 * The instant that a run of a backfill or a replay works for. `null` for other occurrences, which work for their
 * `scheduledAt`. Waiting occurrences of all kinds are ordered by `scheduledAt`.
 */
export function slotOf({ backfill, slot }: OccurrenceDetails): number | null {
  return backfill?.slot ?? slot ?? null
}

/** How an occurrence came to be. */
export type OccurrenceKind =
  /** A slot of the schedule. */
  | 'slot'
  /** `trigger()`. Never consumes a slot. */
  | 'trigger'
  /** `replay()`. Never consumes a slot. */
  | 'replay'

/** The states of an attempt. All but the first two are final. */
export type AttemptState =
  /** Written ahead of a retry that starts at `startedAt`, which may lie ahead. */
  | 'waiting'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'timed_out'
  /** Aborted, see its reason. */
  | 'aborted'
  /** Its owner died or lost the occurrence; whether the handler ended is unknown. */
  | 'lost'

/** The stored error of an attempt. */
export interface ErrorRecord {
  readonly name: string
  readonly message: string
  /** The error's `code`, if it is a string. */
  readonly code?: string
  /** Shortened. Of the attempts of one task, only the first and the last three have this and the next members. */
  readonly stack?: string
  /** What caused it: `error.cause`. */
  readonly cause?: ErrorRecord
  /** The first ten errors of an `AggregateError`. */
  readonly errors?: readonly ErrorRecord[]
}

/** The latest progress that the handler of an attempt has reported. */
export interface ProgressRecord {
  /** 0 to 1. */
  readonly fraction: number
  /** At most 200 characters; `null` without a message. */
  readonly message: string | null
  /** When the handler reported it, in epoch milliseconds. */
  readonly at: number
}

/** The level of a log line. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** A line that a handler has logged. */
export interface LogLineRecord {
  /** When, in epoch milliseconds. */
  readonly at: number
  /** The level that the handler chose. */
  readonly level: LogLevel
  readonly message: string
  /** Made printable; absent when there are none. */
  readonly fields?: JsonObject
  /** The line was longer than 1,000 characters and is cut. */
  readonly cut?: true
}

/** The kept log of an attempt. */
export interface LogsRecord {
  /** The last lines, in order. */
  readonly lines: readonly LogLineRecord[]
  /** Number of dropped earlier lines. */
  readonly dropped: number
}

/** One attempt of a task. The owner writes it before it calls the handler. All instants are epoch milliseconds. */
export interface AttemptRecord {
  /** 1, 2, 3 … without gap or repeat, across owners. */
  readonly number: number
  readonly state: AttemptState
  /**
   * When the owner called the handler, or will call it. Later than `endedAt` if the attempt ended during its retry
   * interval.
   */
  readonly startedAt: number
  /** `null` while it runs or waits. */
  readonly endedAt: number | null
  /** The error of its handler. */
  readonly error?: ErrorRecord
  /** Why an aborted attempt was aborted: `fail_fast`, `canceled`, `shutdown`, `no_capacity`, `execution_timeout`. */
  readonly reason?: string
  /** Its progress; absent if the handler has not reported any. */
  readonly progress?: ProgressRecord
  /** Absent without kept lines. */
  readonly logs?: LogsRecord
  /** The `traceparent` of its run, if that is traced; the next owner reads it. */
  readonly traceparent?: string
  /** For an attempt that is lost because its node was declared dead: the incarnation of that node. */
  readonly lostBy?: string
}

/** The states of a task that has started. `retrying`: between attempts, or between owners. */
export type TaskRunState = 'running' | 'retrying' | 'completed' | 'failed' | 'canceled'

/** Counts of dropped attempts. */
export interface OmittedAttempts {
  /** How many. */
  readonly attempts: number
  /** How many of them failed or timed out. */
  readonly failures: number
}

/** One task inside one occurrence. Tasks that have not started have no record. */
export interface TaskRunRecord {
  /** The task's name. Ids of task, run and attempts derive from it. */
  readonly task: string
  readonly state: TaskRunState
  /**
   * In the order of their numbers; at least one, unless the task was canceled before its first attempt. Of more than
   * twenty, the first five and the last fifteen.
   */
  readonly attempts: readonly AttemptRecord[]
  /** Counts of the dropped attempts in between; absent if all are kept. */
  readonly omitted?: OmittedAttempts
  /** The result of the handler; absent without one. */
  readonly result?: JsonValue
  /** Why it ended so, if its error does not tell. */
  readonly reason?: string
}

/** A request to end an occurrence. */
export interface CancelRequest {
  /** Epoch milliseconds. */
  readonly at: number
  readonly reason: string
  /** The actor that the caller named; `null` without one. */
  readonly actor: string | null
}

/** The record of one occurrence: its state, its history and its lock. All instants are epoch milliseconds. */
export interface OccurrenceRecord extends OccurrenceAddress {
  readonly kind: OccurrenceKind
  readonly state: OccurrenceState
  /** Fencing token: 0 before the first claim, grows by one with each claim. It is valid only while the state is `running`. */
  readonly token: number
  /** Number of the owner's last accepted `settle` under this token; 0 after a claim. */
  readonly sequence: number
  /** The present or last owner; `null` before the first claim. */
  readonly owner: Owner | null
  /** The version of the job that it runs under. */
  readonly jobVersion: number
  /** No claim takes the occurrence before this instant. */
  readonly dueAt: number
  readonly createdAt: number
  /** When the present or last owner claimed it. */
  readonly startedAt: number | null
  /** When it reached a final state; `null` before. */
  readonly finishedAt: number | null
  /** Maximum duration of a run from its claim, in milliseconds. */
  readonly executionTimeoutMs: number
  /** While running: `startedAt + executionTimeoutMs`. Otherwise `null`. */
  readonly deadlineAt: number | null
  /** Why it is in its state, if the state alone does not tell: `overlap`, `queue_full`, `paused`, `displaced` … … */
  readonly reason: string | null
  /** Created by recovery of missed slots. */
  readonly recovered: boolean
  /** Number of rescues; only `reap` with `retry` increments it. */
  readonly rescues: number
  /** The first request for its cancellation; `null` without one. */
  readonly cancelRequest: CancelRequest | null
  readonly details: OccurrenceDetails
  /** The owner replaces all of them with each `settle`. Empty if the query left them out. */
  readonly runs: readonly TaskRunRecord[]
}
