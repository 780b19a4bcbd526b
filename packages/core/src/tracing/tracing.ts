import type { JobId, OccurrenceId } from '../ids.ts'
import type {
  AttemptState,
  FinalState,
  OccurrenceKind,
  OccurrenceState,
  TraceContext,
} from '../storage/occurrence-record.ts'

/** A call that asks for runs. */
export interface TracedRequest {
  /** Which method was called. */
  readonly operation: 'trigger' | 'trigger_many' | 'replay' | 'backfill'
  /** The job, where the request is for one alone. */
  readonly jobName: string | null
  /** How many runs are asked for; of a backfill that is not known yet: 1. */
  readonly count: number
  /** The name of the request, when it has one. */
  readonly key: string | null
  /** The occurrence that is replayed. */
  readonly replayOf: OccurrenceId | null
  /** What traced the run that is replayed, if anything did. */
  readonly original: TraceContext | null
}

/** What became of a call that asked for runs. */
export type RequestEnd =
  | {
      readonly error: null
      /** `null` where there may be several. */
      readonly occurrenceId: OccurrenceId | null
      /** `null` where there may be several. */
      readonly state: OccurrenceState | null
    }
  | { readonly error: unknown }

/** Follows a call that asks for runs. */
export interface RequestTrace {
  /** Kept with each occurrence that the call creates; `null`: nothing is kept. */
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
  /** As `context.latenessMs`: of a replay since that was to start. */
  readonly latenessMs: number
  /** Grows with each owner. */
  readonly fencingToken: number
  /** True when recovery of missed slots created it. */
  readonly recovered: boolean
  /** The occurrence that it replays; `null` for others. */
  readonly replayOf: OccurrenceId | null
  /** The name of its request, or of its backfill; `null` without one. */
  readonly requestKey: string | null
  /** The call that asked for it, where that was traced. */
  readonly request: TraceContext | null
  /** What its earlier owner has done of it, where that was traced. */
  readonly earlier: TraceContext | null
}

/** How a run ended for a node. */
export interface RunEnd {
  /**
   * Beside the final states: `released`, it was handed back; `lost`, another node has it; `abandoned`, its node has stopped
   * while its handler went on.
   */
  readonly outcome: FinalState | 'released' | 'lost' | 'abandoned'
  /** Why, where the outcome alone does not say. */
  readonly reason: string | null
}

/** Follows a run on a node, from its start to its end there. */
export interface RunTrace {
  /** Kept with the attempts, so that the next owner of a run whose node dies can tell; `null`: nothing is kept. */
  readonly context: TraceContext | null
  /** Calls a hook of the user's as part of the run. Calls it once, and answers what it returns. */
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
  /** What its handler threw, if it did. */
  readonly error: unknown
  /** Milliseconds until the next attempt; `null` if no attempt follows. */
  readonly retryInMs: number | null
}

/** Follows an attempt. */
export interface AttemptTrace {
  /** Calls the handler as part of the attempt. Calls it once, and answers what it returns. */
  within<T>(call: () => T): T
  /** What each line of the attempt's own log is to say of the trace. */
  logFields(): object
  /** Called once; not at all when its run has ended before. */
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
