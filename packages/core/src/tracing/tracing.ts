import type { JobId, OccurrenceId } from '../ids.ts'
import type {
  AttemptState,
  FinalState,
  OccurrenceKind,
  OccurrenceState,
  TraceContext,
} from '../storage/occurrence-record.ts'

/** A call that requests runs. */
export interface TracedRequest {
  /** The called method. */
  readonly operation: 'trigger' | 'trigger_many' | 'replay' | 'backfill'
  /** The job, if the request is for a single job. */
  readonly jobName: string | null
  /** Number of requested runs; 1 for a backfill, whose number is not known yet. */
  readonly count: number
  /** The key of the request, if it has one. */
  readonly key: string | null
  /** The occurrence to replay. */
  readonly replayOf: OccurrenceId | null
  /** The trace context of the run to replay, if it was traced. */
  readonly original: TraceContext | null
}

/** The outcome of a call that requested runs. */
export type RequestEnd =
  | {
      readonly error: null
      /** `null` where there may be several. */
      readonly occurrenceId: OccurrenceId | null
      /** `null` where there may be several. */
      readonly state: OccurrenceState | null
    }
  | { readonly error: unknown }

/** The trace of a call that requests runs. */
export interface RequestTrace {
  /** The trace context to keep with each occurrence that the call creates; `null` for none. */
  readonly context: TraceContext | null
  /** Called once. */
  ended(end: RequestEnd): void
}

/** A run that begins on a node. */
export interface TracedRun {
  /** The job, in the version that the occurrence runs under. */
  readonly job: { readonly id: JobId; readonly name: string; readonly version: number }
  /** The occurrence, and how it came to be. */
  readonly occurrence: { readonly id: OccurrenceId; readonly kind: OccurrenceKind }
  /** This node's name. */
  readonly node: string
  /** The instant that the run works for, as `context.scheduledAt`. */
  readonly scheduledAt: Date
  /** As `context.latenessMs`: for a replay, the delay since its planned start. */
  readonly latenessMs: number
  /** Grows with each owner. */
  readonly fencingToken: number
  /** True when recovery of missed slots created it. */
  readonly recovered: boolean
  /** The occurrence that it replays; otherwise `null`. */
  readonly replayOf: OccurrenceId | null
  /** The key of its request or of its backfill; `null` without one. */
  readonly requestKey: string | null
  /** The trace context of the requesting call, if that was traced. */
  readonly request: TraceContext | null
  /** The trace context of its earlier owner's run, if that was traced. */
  readonly earlier: TraceContext | null
}

/** How a run ended for a node. */
export interface RunEnd {
  /**
   * The final state, or `released` (the node handed the run back), `lost` (another node owns it), or `abandoned` (the
   * node stopped while its handler continued).
   */
  readonly outcome: FinalState | 'released' | 'lost' | 'abandoned'
  /** Why, if the outcome alone does not tell. */
  readonly reason: string | null
}

/** The trace of a run on a node, from its start to its end on that node. */
export interface RunTrace {
  /** The trace context to keep with the attempts, for the next owner if this node dies; `null` for none. */
  readonly context: TraceContext | null
  /** Calls a user's hook exactly once as part of the run, and returns its result. */
  within<T>(call: () => T): T
  /** The node calls this before a handler. Returns the trace of the attempt, or `null` for no trace. */
  attempt(attempt: { readonly task: string; readonly number: number }): AttemptTrace | null
  /** The fields of the trace for each line of the run's log. */
  logFields(): object
  /**
   * The node calls this once, after the end of the attempts. It does not wait for handlers that still run after a
   * shutdown or loss.
   */
  ended(end: RunEnd): void
}

/** How an attempt ended. */
export interface AttemptEnd {
  readonly state: AttemptState
  /** The error of its handler, if any. */
  readonly error: unknown
  /** Milliseconds until the next attempt; `null` if no attempt follows. */
  readonly retryInMs: number | null
}

/** The trace of an attempt. */
export interface AttemptTrace {
  /** Calls the handler exactly once as part of the attempt, and returns its result. */
  within<T>(call: () => T): T
  /** The fields of the trace for each line of the attempt's log. */
  logFields(): object
  /** The node calls this at most once; not if the run has ended before. */
  ended(end: AttemptEnd): void
}

/**
 * Traces the work of a scheduler or client; `@jobistemer/opentelemetry` implements it. If a method throws, the
 * scheduler emits `hook.failed` and continues. It logs the first failure of each method.
 */
export interface Tracing {
  /**
   * Runs a function outside of the active trace, because the engine's own work belongs to no trace. A call of
   * `requested` from that function, now or later, still belongs to the trace that was active at this call.
   */
  outside<T>(call: () => T): T
  /** A caller requests runs. Returns the trace of the request, or `null` for no trace. */
  requested(request: TracedRequest): RequestTrace | null
  /** A run begins on this node. Returns its trace, or `null` for no trace. */
  started(run: TracedRun): RunTrace | null
}
