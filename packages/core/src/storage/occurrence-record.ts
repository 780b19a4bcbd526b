import type { JobId, OccurrenceId } from '../ids.ts'
import type { JsonObject, JsonValue } from '../json.ts'

/** The states of an occurrence. The last seven are terminal. */
export type OccurrenceState =
  /** Waits for a node with a free slot; has no owner. */
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
  /** Not run, decided by the recovery strategy. May stand for many slots, see `span`. */
  | 'missed'

/** The terminal states: nothing changes any more. */
export type FinalState = Exclude<OccurrenceState, 'pending' | 'queued' | 'running'>

/** The states of an occurrence that is not over. */
export type LiveState = Exclude<OccurrenceState, FinalState>

/** `active` ones block later ones of their job, unless its overlap policy is `allow`. */
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

/** The terminal states of what was run and did not go well. What was canceled, skipped or missed is no failure. */
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

/** Names an occurrence. Adapters may find it by the id alone, or by whichever part suits their layout. */
export interface OccurrenceAddress {
  readonly id: OccurrenceId
  readonly jobId: JobId
  /** Epoch milliseconds. */
  readonly scheduledAt: number
}

/** A process that owns work: the node's name, and which of its lives this is. */
export interface Owner {
  /** The node's name. */
  readonly node: string
  /** Unique to one start of one process: tells a node's own record from one of its earlier life. */
  readonly incarnation: string
}

/** Several slots that one record stands for. */
export interface SlotSpan {
  /** First slot, epoch milliseconds, inclusive. */
  readonly from: number
  /** Last slot, epoch milliseconds, inclusive. */
  readonly to: number
  /** How many slots. */
  readonly count: number
}

/** The slot that a run of a backfill is for, and what its backfill is. The backfill's key is the `requestKey`. */
export interface BackfillRecord {
  /** Epoch milliseconds. */
  readonly slot: number
  /** The span, epoch milliseconds, inclusive. */
  readonly from: number
  /** The end of the span, epoch milliseconds, exclusive. */
  readonly to: number
  /** Which of its slots are run. */
  readonly which: 'all' | 'missed' | 'failed' | 'missed_and_failed'
  /** In which they are run. */
  readonly order: 'oldest_first' | 'newest_first'
  /**
   * Number of concurrent runs of the backfill. The end of each run creates the run of the slot that is `lanes` slots
   * later. At least 1.
   */
  readonly lanes: number
}

/** Where a trace stands, as the recommendation Trace Context of the W3C writes it. */
export interface TraceContext {
  /** Version, trace, span and flags: 55 characters. */
  readonly traceparent: string
  /** What the makers of traces add; at most 512 characters. */
  readonly tracestate?: string
}

/** What only some occurrences have. Storages keep it as JSON; absent members stay absent. */
export interface OccurrenceDetails {
  /** An integer from -10 to 10; a higher number runs earlier, see `orderAt`. Absent if it is 0. */
  readonly priority?: number
  /** A task set by `trigger` or `replay`: only these run. */
  readonly tasks?: readonly string[]
  /** Data handed to `trigger` or `replay`. */
  readonly data?: JsonValue
  /** The data have been through the job's payload schema. */
  readonly isParsed?: true
  /** Configuration of this one trigger, over the job's and the tasks' own. */
  readonly overrides?: JsonObject
  /** The occurrence that this one replays. */
  readonly replayOf?: OccurrenceId
  /** Of a replay: the instant that its original worked for, epoch milliseconds. */
  readonly slot?: number
  /** Of a replay of a replay: the occurrence that the first of them replays. */
  readonly root?: OccurrenceId
  /** Of a replay: unique to the request for it, which tells a repeated call from another request. */
  readonly requestId?: string
  /** Of a replay: it leaves out a task that the original has not completed, so its success makes up for no failure. */
  readonly isPartial?: true
  /** Results of the replayed occurrence's tasks that do not run again. */
  readonly results?: JsonObject
  /** The key of the request, when it had one. */
  readonly requestKey?: string
  /** Of a request whose key can be used again: the id of the key, see `CreateRequested.key`. */
  readonly keyId?: OccurrenceId
  /** Why it was triggered or replayed. */
  readonly requestReason?: string
  /** Who triggered or replayed it. */
  readonly requestActor?: string
  /** The slots that a `missed` record stands for, or that a compressed run or its replay covers. */
  readonly span?: SlotSpan
  /** The backfill that it is a run of. */
  readonly backfill?: BackfillRecord
  /** The call that asked for it, where that was traced. */
  readonly trace?: TraceContext
  /**
   * Set by the storage on a row that it cannot read: the damaged part, `details` or `runs`. The node that starts such an
   * occurrence fails it with `RECORD_UNREADABLE` and calls no handler.
   */
  readonly unreadable?: string
}

/**
 * The instant that an occurrence works for, where that is not its `scheduledAt`: of a backfill's run and of a replay.
 * `null` for other occurrences. Their `scheduledAt` orders them among waiting occurrences.
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
  /** Told to stop, see its reason. */
  | 'aborted'
  /** Its owner went away; whether the handler ran to its end is unknown. */
  | 'lost'

/** An error as it is kept with an attempt. */
export interface ErrorRecord {
  readonly name: string
  readonly message: string
  /** The error's `code`, where it is a string. */
  readonly code?: string
  /** Shortened. Of the attempts of one task, only the first and the last three have it, and what follows. */
  readonly stack?: string
  /** What caused it: `error.cause`. */
  readonly cause?: ErrorRecord
  /** The errors that it stands for: those of an `AggregateError`, the first ten. */
  readonly errors?: readonly ErrorRecord[]
}

/** How far an attempt has come, as its handler has said last. */
export interface ProgressRecord {
  /** 0 to 1. */
  readonly fraction: number
  /** At most 200 characters; `null` when nothing was said. */
  readonly message: string | null
  /** When it was said, in epoch milliseconds. */
  readonly at: number
}

/** How much a line of a log matters. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** A line that a handler has logged. */
export interface LogLineRecord {
  /** When, in epoch milliseconds. */
  readonly at: number
  /** As its handler has said. */
  readonly level: LogLevel
  readonly message: string
  /** Made printable; absent when there are none. */
  readonly fields?: JsonObject
  /** The line was longer than 1,000 characters: something of it is not here. */
  readonly cut?: true
}

/** What is kept of what the handler of an attempt has logged. */
export interface LogsRecord {
  /** The last ones, in their order. */
  readonly lines: readonly LogLineRecord[]
  /** How many came before them, and are not kept. */
  readonly dropped: number
}

/** One try of a task. Written before its handler is called. All instants are epoch milliseconds. */
export interface AttemptRecord {
  /** 1, 2, 3 … without gap or repeat, across owners. */
  readonly number: number
  readonly state: AttemptState
  /** When its handler was called, or is to be: after `endedAt` where it ended while it waited for its retry interval. */
  readonly startedAt: number
  /** `null` while it runs or waits. */
  readonly endedAt: number | null
  /** What its handler threw. */
  readonly error?: ErrorRecord
  /** Why an aborted attempt was aborted: `fail_fast`, `canceled`, `shutdown`, `no_capacity`, `execution_timeout`. */
  readonly reason?: string
  /** How far it has come; absent when its handler has not said. */
  readonly progress?: ProgressRecord
  /** Absent when nothing was logged that is kept. */
  readonly logs?: LogsRecord
  /** The `traceparent` of the run that it is part of, where that is traced: it tells the next owner. */
  readonly traceparent?: string
  /** Of an attempt that is lost because its node counted as dead: the incarnation of that node. */
  readonly lostBy?: string
}

/** The states of a task that has started. `retrying`: between attempts, or between owners. */
export type TaskRunState = 'running' | 'retrying' | 'completed' | 'failed' | 'canceled'

/** Attempts that are not kept. */
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
   * In the order of their numbers; at least one, unless it was canceled before its first. Of more than twenty the first
   * five and the last fifteen.
   */
  readonly attempts: readonly AttemptRecord[]
  /** Those between the first and the last ones; absent when all are kept. */
  readonly omitted?: OmittedAttempts
  /** What the handler returned; absent when nothing. */
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
  /** Fencing token: 0 before the first claim, grows by one with each. Only `running` has a live one. */
  readonly token: number
  /** Number of the owner's last accepted `settle` under this token; 0 after a claim. */
  readonly sequence: number
  /** Who holds, or held last, the token; `null` before the first claim. */
  readonly owner: Owner | null
  /** The version of the job that it runs under. */
  readonly jobVersion: number
  /** Not to be claimed before this instant. */
  readonly dueAt: number
  readonly createdAt: number
  /** When the present or last owner claimed it. */
  readonly startedAt: number | null
  /** When it reached a final state; `null` before. */
  readonly finishedAt: number | null
  /** How long one claim may run, in milliseconds. */
  readonly executionTimeoutMs: number
  /** While running: `startedAt + executionTimeoutMs`. Otherwise `null`. */
  readonly deadlineAt: number | null
  /** Why it is in its state, where the state alone does not say: `overlap`, `queue_full`, `paused`, `displaced` … */
  readonly reason: string | null
  /** Created by recovery of missed slots. */
  readonly recovered: boolean
  /** How often it was taken from an owner that was gone and handed on: raised by `reap` with `retry` alone. */
  readonly rescues: number
  /** The first request for its cancellation; `null` without one. */
  readonly cancelRequest: CancelRequest | null
  readonly details: OccurrenceDetails
  /** Written whole by the owner with each `settle`; empty when a query asked to leave them out. */
  readonly runs: readonly TaskRunRecord[]
}
