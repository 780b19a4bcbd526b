import type { JobId, OccurrenceId } from '../ids.ts'
import type {
  AttemptState,
  FinalState,
  OccurrenceKind,
  OccurrenceState,
  TraceContext,
} from '../storage/occurrence-record.ts'

/** What tracing gets about a call that requests runs. */
export interface TracedRequest {
  /** The method that the caller has called. */
  readonly operation: 'trigger' | 'trigger_many' | 'replay' | 'backfill'
  /** Name of the job; `null` if the request is for several jobs. */
  readonly jobName: string | null
  /** Number of requested runs; 1 for a backfill, whose number of runs is not known yet. */
  readonly count: number
  /** The key of the request; `null` without a key. */
  readonly key: string | null
  /** The occurrence to replay; `null` if the request is no replay. */
  readonly replayOf: OccurrenceId | null
  /** The trace context of the run to replay; `null` if that run was not traced. */
  readonly original: TraceContext | null
}

/** The outcome of a call that requested runs. */
export type RequestEnd =
  | {
      readonly error: null
      /** The id of the created occurrence; `null` if the call may create several. */
      readonly occurrenceId: OccurrenceId | null
      /** The state of the created occurrence; `null` if the call may create several. */
      readonly state: OccurrenceState | null
    }
  | { readonly error: unknown }

/** The trace of a call that requests runs. */
export interface RequestTrace {
  /** The trace context to store with each occurrence that the call creates; `null` for none. */
  readonly context: TraceContext | null
  /** The node or client calls `ended` once, when the request is answered or has failed. */
  ended(end: RequestEnd): void
}

/** What tracing gets about a run that begins on a node. */
export interface TracedRun {
  /** The job, in the version that the occurrence runs under. */
  readonly job: { readonly id: JobId; readonly name: string; readonly version: number }
  /** The id of the run's occurrence, and its kind: a slot, a trigger or a replay. */
  readonly occurrence: { readonly id: OccurrenceId; readonly kind: OccurrenceKind }
  /** The name of the node on which the run begins. */
  readonly node: string
  /** The instant that the run works for, as `context.scheduledAt`. */
  readonly scheduledAt: Date
  /**
   * Delay of the run in milliseconds, as `context.latenessMs`. For a replay, the delay is the time since the planned start of
   * the replay, not since the slot of its original.
   */
  readonly latenessMs: number
  /** The fencing token of the run's owner. The token grows with each owner. */
  readonly fencingToken: number
  /** True if the recovery of missed slots created the run. */
  readonly recovered: boolean
  /** The original that the run replays; `null` if the run is no replay. */
  readonly replayOf: OccurrenceId | null
  /** The key of the request or of the backfill that created the run; `null` without a key. */
  readonly requestKey: string | null
  /** The trace context of the call that requested the run; `null` if that call was not traced. */
  readonly request: TraceContext | null
  /**
   * The trace context of the run under its earlier owner; `null` without an earlier owner, or if the earlier owner did not
   * trace the run.
   */
  readonly earlier: TraceContext | null
}

/** How a run ended on a node. */
export interface RunEnd {
  /**
   * The final state, or `released` (the node handed the run back), `lost` (another node owns it), or `abandoned` (the
   * node stopped while its handler continued).
   */
  readonly outcome: FinalState | 'released' | 'lost' | 'abandoned'
  /** Why the run has this outcome; `null` if the outcome is self-explanatory. */
  readonly reason: string | null
}

/** The trace of a run on a node, from its start to its end on that node. */
export interface RunTrace {
  /** The trace context to store with the attempts, for the next owner if this node dies; `null` for none. */
  readonly context: TraceContext | null
  /**
   * The node calls `within` to call a user's hook. The method must call `call` exactly once, with the trace of the run as the
   * active trace, and return the result.
   */
  within<T>(call: () => T): T
  /** The node calls `attempt` before it calls a handler. Returns the trace of the attempt, or `null` for no trace. */
  attempt(attempt: { readonly task: string; readonly number: number }): AttemptTrace | null
  /** The fields of the trace for each line of the run's log. */
  logFields(): object
  /**
   * The node calls `ended` once, when the run has ended on this node. Usually all handlers have returned before. If the node
   * shuts down or has lost the run, some handlers may still run.
   */
  ended(end: RunEnd): void
}

/** How an attempt ended. */
export interface AttemptEnd {
  readonly state: AttemptState
  /** The error of the attempt's handler; `undefined` without an error. */
  readonly error: unknown
  /** Milliseconds until the next attempt; `null` if no attempt follows. */
  readonly retryInMs: number | null
}

/** The trace of an attempt. */
export interface AttemptTrace {
  /**
   * The node calls `within` to call the handler. The method must call `call` exactly once, with the trace of the attempt as
   * the active trace, and return the result.
   */
  within<T>(call: () => T): T
  /** The fields of the trace for each line of the attempt's log. */
  logFields(): object
  /** The node calls `ended` at most once, and not at all if the run ends before the attempt. */
  ended(end: AttemptEnd): void
}

/**
 * Traces the work of a scheduler or client; `@jobistemer/opentelemetry` implements this interface. If a method throws, the
 * scheduler emits `hook.failed` and continues. The scheduler logs the first failure of each method.
 */
export interface Tracing {
  /**
   * Runs a function outside of the active trace, because the engine's own work belongs to no trace. The function may call
   * `requested`, at once or later. Such a request still belongs to the trace that was active when `outside` was called.
   */
  outside<T>(call: () => T): T
  /**
   * The node or client calls `requested` when a program requests runs. Returns the trace of the request, or `null` for no
   * trace.
   */
  requested(request: TracedRequest): RequestTrace | null
  /** The node calls `started` when a run begins. Returns the trace of the run, or `null` for no trace. */
  started(run: TracedRun): RunTrace | null
}
