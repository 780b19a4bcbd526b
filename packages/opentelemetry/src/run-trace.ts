import type { AttemptEnd, AttemptTrace, RunEnd, RunTrace, TraceContext, TracedRun } from '@jobistemer/core'
import {
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { conventional, conventionalValues, own } from './conventions.ts'
import { recordError, recordFailure, typeOf } from './record-end.ts'
import { linksTo, printSpanContext } from './span-context.ts'

/** The outcomes for which the span of a run counts as failed. */
const failures: readonly RunEnd['outcome'][] = ['failed', 'failed_stale', 'completed_with_errors', 'lost', 'abandoned']

/**
 * The end reasons of a run that failed because a task failed. For these reasons, the span records the error type of the
 * task.
 */
const failedByTasks: readonly string[] = ['fail_fast', 'failed', 'completed_with_errors']

/** The spans of a run on one node: the root span of a new trace, and a span for each attempt. */
export class SpansOfRun implements RunTrace {
  readonly context: TraceContext | null
  readonly #tracer: Tracer
  readonly #span: Span
  readonly #inside: Context
  readonly #attempts = new Set<SpanOfAttempt>()
  /** The error type of the first attempt that failed without a retry; `null` if there is none. */
  #errorType: string | null = null
  #isEnded = false

  constructor(tracer: Tracer, run: TracedRun) {
    this.#tracer = tracer
    const { job, occurrence } = run
    const options = {
      root: true,
      kind: SpanKind.CONSUMER,
      links: linksTo({ request: run.request, earlier_owner: run.earlier }),
      attributes: {
        [conventional.systemName]: conventionalValues.system,
        [conventional.operationName]: conventionalValues.process,
        [conventional.operationType]: conventionalValues.process,
        [conventional.destinationName]: job.name,
        [conventional.messageId]: occurrence.id,
        [conventional.clientId]: run.node,
        [own.jobName]: job.name,
        [own.jobVersion]: job.version,
        [own.occurrenceId]: occurrence.id,
        [own.occurrenceKind]: occurrence.kind,
        [own.scheduledAt]: run.scheduledAt.toISOString(),
        [own.lateness]: run.latenessMs / 1000,
        [own.recovered]: run.recovered,
        [own.fencingToken]: run.fencingToken,
        [own.node]: run.node,
        ...(run.replayOf !== null && { [own.replayOf]: run.replayOf }),
        ...(run.requestKey !== null && { [own.requestKey]: run.requestKey }),
      },
    }
    this.#span = tracer.startSpan(`${conventionalValues.process} ${job.name}`, options, ROOT_CONTEXT)
    this.#inside = trace.setSpan(ROOT_CONTEXT, this.#span)
    this.context = printSpanContext(this.#span.spanContext())
  }

  within<T>(call: () => T): T {
    return context.with(this.#inside, call)
  }

  attempt({ task, number }: { readonly task: string; readonly number: number }): AttemptTrace {
    // If a run is not sampled, its attempts need no spans. Their handlers still receive the context of the run, so that
    // spans that the handlers create are not sampled either.
    if (!this.#span.isRecording()) {
      return { within: (call) => this.within(call), logFields: () => this.logFields(), ended: () => undefined }
    }
    const options = {
      kind: SpanKind.INTERNAL,
      attributes: { [own.taskName]: task, [own.attemptNumber]: number },
    }
    const span = this.#tracer.startSpan(`attempt ${task}`, options, this.#inside)
    const attempt = new SpanOfAttempt(span, (errorType) => {
      this.#attempts.delete(attempt)
      this.#errorType ??= errorType
    })
    this.#attempts.add(attempt)
    return attempt
  }

  logFields(): object {
    return fieldsOf(this.#span)
  }

  ended({ outcome, reason }: RunEnd): void {
    if (this.#isEnded) return
    this.#isEnded = true
    for (const attempt of [...this.#attempts]) attempt.outlived(outcome)
    this.#span.setAttribute(own.outcome, outcome)
    if (reason !== null) this.#span.setAttribute(own.reason, reason)
    if (failures.includes(outcome)) {
      const why = reason ?? outcome
      recordFailure(this.#span, (failedByTasks.includes(why) ? this.#errorType : null) ?? why, why)
    }
    this.#span.end()
  }
}

class SpanOfAttempt implements AttemptTrace {
  readonly #span: Span
  readonly #whenEnded: (errorType: string | null) => void
  #isEnded = false

  /**
   * @param whenEnded called at the end of the attempt. Its argument is the type of an error that no retry follows, otherwise
   * `null`
   */
  constructor(span: Span, whenEnded: (errorType: string | null) => void) {
    this.#span = span
    this.#whenEnded = whenEnded
  }

  within<T>(call: () => T): T {
    return context.with(trace.setSpan(ROOT_CONTEXT, this.#span), call)
  }

  logFields(): object {
    return fieldsOf(this.#span)
  }

  ended({ state, error, retryInMs }: AttemptEnd): void {
    if (this.#isEnded) return
    this.#span.setAttribute(own.attemptState, state)
    if (retryInMs !== null) this.#span.setAttribute(own.retryIn, retryInMs / 1000)
    const hasFailed = state === 'failed' || state === 'timed_out'
    if (hasFailed) recordError(this.#span, error)
    this.#end(hasFailed && retryInMs === null ? typeOf(error) : null)
  }

  /** Ends the span of an attempt whose handler still runs although the run has ended on this node. */
  outlived(outcome: RunEnd['outcome']): void {
    this.#span.setAttribute(own.attemptState, 'running')
    recordFailure(this.#span, outcome, `The run was ${outcome} before its handler ended.`)
    this.#end(null)
  }

  #end(errorType: string | null): void {
    this.#isEnded = true
    this.#span.end()
    this.#whenEnded(errorType)
  }
}

/**
 * Returns the trace fields of a log line: the ids of the active span. If no span is active, the fields contain the ids of
 * `ownSpan`. Without an SDK, spans have no valid ids, and the result has no fields.
 */
function fieldsOf(ownSpan: Span): object {
  const spanContext = (trace.getActiveSpan() ?? ownSpan).spanContext()
  if (!isSpanContextValid(spanContext)) return {}
  const { traceId, spanId, traceFlags } = spanContext
  return { trace_id: traceId, span_id: spanId, trace_flags: `0${traceFlags.toString(16)}`.slice(-2) }
}
