import type { JobId, OccurrenceId } from '../ids.ts'
import type { JsonObject, JsonValue } from '../json.ts'

/** The states in which an occurrence waits or runs. Pending and running occurrences are active, see `isDelayed`. */
export const liveStates = [
  /** The occurrence waits for a node with a free permit, and has no owner. */
  'pending',
  /** The occurrence waits until the active occurrence of its job ends, and has no owner. */
  'queued',
  /** The occurrence belongs to a node, its owner. The calls of the owner must have the fencing token of the occurrence. */
  'running',
] as const

/** The final states, in which an occurrence never changes. Stored records hold indexes into this list, see `codec1`. */
export const finalStates = [
  'completed',
  /** All tasks ran under the failure strategy `continue`, and at least one task failed. */
  'completed_with_errors',
  'failed',
  'canceled',
  /** The owner did not settle the occurrence in time, and a reaper ended it. */
  'failed_stale',
  /** The occurrence does not run, because of an overlap, a full queue or a pause; see its reason. */
  'skipped',
  /** The recovery strategy decided that the slot does not run. The record may cover many slots, see `span`. */
  'missed',
] as const

/** A state in which an occurrence waits or runs. */
export type LiveState = (typeof liveStates)[number]

/** A final state, in which an occurrence never changes. */
export type FinalState = (typeof finalStates)[number]

/** A state of an occurrence. */
export type OccurrenceState = LiveState | FinalState

/** The states of failures. A storage keeps an index of occurrences in these states. */
export const failedStates = ['completed_with_errors', 'failed', 'failed_stale'] as const

/** A final state of runs that failed. Canceled, skipped and missed occurrences are no failures. */
export type FailedState = (typeof failedStates)[number]

/** Returns whether an occurrence in this state is a failure. */
export function isFailure(state: OccurrenceState): state is FailedState {
  return state === 'failed' || state === 'completed_with_errors' || state === 'failed_stale'
}

/** Returns whether a state is final. */
export function isFinal(state: OccurrenceState): state is FinalState {
  return state !== 'pending' && state !== 'queued' && state !== 'running'
}

/**
 * The address of an occurrence, by which an adapter finds the record. An adapter may use the id alone, or further members too.
 */
export interface OccurrenceAddress {
  readonly id: OccurrenceId
  readonly jobId: JobId
  /** The occurrence's slot or planned start, in epoch milliseconds. */
  readonly scheduledAt: number
}

/** The owner of an occurrence: a node and its incarnation. */
export interface Owner {
  /** The name of the node. */
  readonly node: string
  /** The incarnation of the node: unique to one start of one process, so that the lives of a node differ. */
  readonly incarnation: string
}

/** The slots that a record covers. */
export interface SlotSpan {
  /** First slot that the record covers, in epoch milliseconds. */
  readonly from: number
  /** Last slot that the record covers, in epoch milliseconds. */
  readonly to: number
  /** Number of slots that the record covers. */
  readonly count: number
}

/**
 * The data of a run of a backfill: its slot, and the parameters of the backfill. The key of the backfill is the `requestKey` of
 * the occurrence.
 */
export interface BackfillRecord {
  /** The slot that the run makes up for, in epoch milliseconds. */
  readonly slot: number
  /** Start of the backfill's span, epoch milliseconds, inclusive. */
  readonly from: number
  /** End of the backfill's span, epoch milliseconds, exclusive. */
  readonly to: number
  /** Which slots the backfill runs. */
  readonly which: 'all' | 'missed' | 'failed' | 'missed_and_failed'
  /** The order of the backfill's runs. */
  readonly order: 'oldest_first' | 'newest_first'
  /**
   * Number of concurrent runs of the backfill, at least 1. The end of each run creates the run of the slot that is `lanes`
   * slots later.
   */
  readonly lanes: number
}

/** The position in a trace, in the format of the W3C recommendation Trace Context. */
export interface TraceContext {
  /** Value of the W3C header `traceparent`: version, trace id, span id and flags; 55 characters. */
  readonly traceparent: string
  /** Vendor-specific data of the trace; at most 512 characters. */
  readonly tracestate?: string
}

/** Members that only some occurrences have. Storages keep them as JSON; absent members stay absent. */
export interface OccurrenceDetails {
  /**
   * Priority of the occurrence, an integer from -10 to 10; a higher number runs earlier, see `orderAt`. Absent if the priority
   * is 0.
   */
  readonly priority?: number
  /** Names of the tasks that `trigger` or `replay` has chosen. Only these tasks run. */
  readonly tasks?: readonly string[]
  /** Data that the caller passed to `trigger` or `replay`. */
  readonly data?: JsonValue
  /** Set if the job's payload schema has already checked the data. */
  readonly isParsed?: true
  /** Settings that the caller passed to `trigger`. For this run, they replace the settings of the job and of its tasks. */
  readonly overrides?: JsonObject
  /** The original that this occurrence replays. */
  readonly replayOf?: OccurrenceId
  /** For a replay: the instant of the original, in epoch milliseconds. */
  readonly slot?: number
  /** For a replay of a replay: the original of the first replay. */
  readonly root?: OccurrenceId
  /**
   * For a replay: an id that is unique to its request. The id shows whether a second call repeats the request or is a new one.
   */
  readonly requestId?: string
  /** Set for a replay that leaves out an uncompleted task of the original. Such a replay does not resolve the failure. */
  readonly isPartial?: true
  /** For a replay: the results of the original's tasks that do not run again. */
  readonly results?: JsonObject
  /** The key of the request; absent without a key. */
  readonly requestKey?: string
  /** Set for a request with a reusable key: the id of the key, see `CreateRequested.key`. */
  readonly keyId?: OccurrenceId
  /** The reason that the caller gave for the trigger or replay. */
  readonly requestReason?: string
  /** The actor that the caller named for the trigger or replay. */
  readonly requestActor?: string
  /**
   * The slots that the occurrence covers. Only for a `missed` record, a run of the recovery strategy `compressed`, and a replay
   * of that run.
   */
  readonly span?: SlotSpan
  /** The backfill to which the run belongs. */
  readonly backfill?: BackfillRecord
  /** The trace context of the call that requested the run; absent if that call was not traced. */
  readonly trace?: TraceContext
  /**
   * Set by the storage on a damaged row: the part that the storage cannot read, `details` or `runs`. The node that starts the
   * occurrence lets it fail with `RECORD_UNREADABLE`, and calls no handler.
   */
  readonly unreadable?: string
}

/**
 * Returns the instant for which a replay, or a run of a backfill, works. Returns `null` for any other occurrence, which works
 * for its `scheduledAt`.
 */
export function slotOf({ backfill, slot }: OccurrenceDetails): number | null {
  return backfill?.slot ?? slot ?? null
}

/**
 * How an occurrence came to be: as a slot of the schedule, by `trigger()` or by `replay()`. A slot at the instant of a trigger has
 * its own occurrence. The original of a replay keeps its own record. Stored records hold indexes into this list, see `codec1`.
 */
export const occurrenceKinds = ['slot', 'trigger', 'replay'] as const

/** How an occurrence came to be. */
export type OccurrenceKind = (typeof occurrenceKinds)[number]

/**
 * The states of an attempt. All states but `waiting` and `running` are final. Stored records hold indexes into this list, see
 * `codec1`.
 */
export const attemptStates = [
  'running',
  'succeeded',
  'failed',
  'timed_out',
  /** The node aborted the attempt, for the reason in the member `reason`. */
  'aborted',
  /** The owner of the attempt died or lost the occurrence. Whether the handler ended is unknown. */
  'lost',
  /** The attempt is a retry whose handler the owner will call at `startedAt`. The owner stores this attempt in advance. */
  'waiting',
] as const

/** A state of an attempt. */
export type AttemptState = (typeof attemptStates)[number]

/** The stored error of an attempt. */
export interface ErrorRecord {
  readonly name: string
  readonly message: string
  /** The `code` of the thrown error, if it is a string. */
  readonly code?: string
  /**
   * The stack, shortened. Only the first attempt and the last three attempts of a task have a `stack`, a `cause` and `errors`.
   */
  readonly stack?: string
  /** The record of the error's `cause`. */
  readonly cause?: ErrorRecord
  /** The first ten errors of a thrown `AggregateError`. */
  readonly errors?: readonly ErrorRecord[]
}

/** The latest progress that the handler of an attempt has reported. */
export interface ProgressRecord {
  /** How much of the work is done, from 0 to 1. */
  readonly fraction: number
  /** The message of the handler, at most 200 characters; `null` without a message. */
  readonly message: string | null
  /** When the handler reported the progress, in epoch milliseconds. */
  readonly at: number
}

/** The level of a log line. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** A line that a handler has logged. */
export interface LogLineRecord {
  /** When the handler logged the line, in epoch milliseconds. */
  readonly at: number
  /** The level at which the handler logged the line. */
  readonly level: LogLevel
  readonly message: string
  /** The fields of the line, made printable; absent without fields. */
  readonly fields?: JsonObject
  /** Set if the line was cut because it was longer than 1,000 characters. */
  readonly cut?: true
}

/** The last log lines of an attempt, stored because of the setting `keepLogs`. */
export interface LogsRecord {
  /** The last lines of the attempt, in order. */
  readonly lines: readonly LogLineRecord[]
  /**
   * Number of earlier lines that the node left out. The node limits the number of lines of an attempt, and the total bytes of
   * all kept lines.
   */
  readonly dropped: number
}

/** One attempt of a task. The owner stores the attempt before it calls the handler. All instants are epoch milliseconds. */
export interface AttemptRecord {
  /** Number of the attempt: 1, 2, 3 … without gap or repetition, across owners. */
  readonly number: number
  readonly state: AttemptState
  /**
   * When the owner called the handler, or will call it. If the attempt ended while it waited for this instant, `startedAt` is
   * later than `endedAt`.
   */
  readonly startedAt: number
  /** When the attempt ended; `null` while it runs or waits. */
  readonly endedAt: number | null
  /** The error of the attempt's handler; absent without an error. */
  readonly error?: ErrorRecord
  /** Why the node aborted the attempt: `fail_fast`, `canceled`, `shutdown`, `no_capacity`, `execution_timeout`. */
  readonly reason?: string
  /** The progress of the attempt; absent if the handler has not reported any. */
  readonly progress?: ProgressRecord
  /** The kept log of the attempt; absent without kept lines. */
  readonly logs?: LogsRecord
  /**
   * The `traceparent` of the run that the attempt belongs to; absent if the run is not traced. The next owner continues that
   * trace.
   */
  readonly traceparent?: string
}

/** The states of a task that has started. `retrying`: the task is between two attempts, or between two owners. */
export type TaskRunState = 'running' | 'retrying' | 'completed' | 'failed' | 'canceled'

/** Counts of attempts that the storage no longer keeps. */
export interface OmittedAttempts {
  /** Number of attempts that the storage no longer keeps. */
  readonly attempts: number
  /** Number of failed and timed-out attempts that the storage no longer keeps. */
  readonly failures: number
}

/** A task inside an occurrence, with its attempts. Tasks that have not started have no record. */
export interface TaskRunRecord {
  /** The name of the task. The ids of task, task run and attempts derive from the name. */
  readonly task: string
  readonly state: TaskRunState
  /**
   * The attempts, in the order of their numbers; at least one, unless the task was canceled before its first attempt. Of more
   * than twenty attempts, the first five and the last fifteen are kept.
   */
  readonly attempts: readonly AttemptRecord[]
  /**
   * Counts of the attempts between the first five and the last fifteen, which the storage no longer keeps; absent if all
   * attempts are kept.
   */
  readonly omitted?: OmittedAttempts
  /** The result of the handler; absent without a result. */
  readonly result?: JsonValue
  /** Why the task ended in its state, if the task's error does not say why. */
  readonly reason?: string
}

/** A request to cancel an occurrence. */
export interface CancelRequest {
  /** When the caller requested the cancellation, in epoch milliseconds. */
  readonly at: number
  readonly reason: string
  /** The actor that the caller named; `null` if the caller named none. */
  readonly actor: string | null
}

/**
 * The record of an occurrence: its state, its history, its owner and its fencing token. All instants are epoch milliseconds.
 */
export interface OccurrenceRecord extends OccurrenceAddress {
  readonly kind: OccurrenceKind
  readonly state: OccurrenceState
  /**
   * Fencing token: 0 before the first claim, incremented by each claim. The storage accepts the token only while the state is
   * `running`.
   */
  readonly token: number
  /** Sequence number of the last `settle` that the storage accepted from the owner under this token; 0 after a claim. */
  readonly sequence: number
  /** The present or last owner; `null` before the first claim. */
  readonly owner: Owner | null
  /** The version of the job under which the occurrence runs. */
  readonly jobVersion: number
  /** Earliest instant at which a claim may take the occurrence. */
  readonly dueAt: number
  readonly createdAt: number
  /** When the present or last owner claimed the occurrence; `null` before the first claim. */
  readonly startedAt: number | null
  /** When the occurrence reached a final state; `null` for a live occurrence. */
  readonly finishedAt: number | null
  /** Maximum duration of a run from its claim, in milliseconds. */
  readonly executionTimeoutMs: number
  /**
   * When the present owner must have ended the occurrence: `startedAt + executionTimeoutMs`. `null` unless the occurrence is
   * running.
   */
  readonly deadlineAt: number | null
  /** Why the occurrence is in its state, if the state alone does not tell: `overlap`, `queue_full`, `paused`, `displaced` … */
  readonly reason: string | null
  /** True if the recovery of missed slots created the occurrence. */
  readonly recovered: boolean
  /** Number of rescues: how often a `reap` with `retry` took the occurrence from its owner. */
  readonly rescues: number
  /** The first request to cancel the occurrence; `null` without a request. */
  readonly cancelRequest: CancelRequest | null
  readonly details: OccurrenceDetails
  /**
   * The task runs. With each `settle`, the owner sends the whole list, which replaces the stored one. Empty if the query left
   * the runs out.
   */
  readonly runs: readonly TaskRunRecord[]
}
