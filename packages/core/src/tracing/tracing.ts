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
  /** A handler is about to be called. Answers what follows the attempt; `null`: nothing does. */
  attempt(attempt: { readonly task: string; readonly number: number }): AttemptTrace | null
  /** What each line of the run's own log is to say of the trace. */
  logFields(): object
  /** Called once, after the end of its attempts but for those whose handlers still run: nobody waits for these. */
  ended(end: RunEnd): void
}

/** How an attempt ended. */
export interface AttemptEnd {
  readonly state: AttemptState
  /** What its handler threw, if it did. */
  readonly error: unknown
  /** Milliseconds until the next attempt; `null` when there is none. */
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
 * Follows what a scheduler or a client does, for traces: `@jobistemer/opentelemetry` is one. What it throws never reaches
 * the engine: it is told as `hook.failed`, and the first failure of each method is logged.
 */
export interface Tracing {
  /**
   * Calls what the engine does for itself, and what is to belong to no trace, whichever is active here. A call of
   * `requested` that comes from it, now or later, still belongs to whoever called this.
   */
  outside<T>(call: () => T): T
  /** Somebody asks for runs. Answers what follows the call; `null`: nothing does. */
  requested(request: TracedRequest): RequestTrace | null
  /** A run begins on this node. Answers what follows it; `null`: nothing does. */
  started(run: TracedRun): RunTrace | null
}
