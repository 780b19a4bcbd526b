import type {
  AttemptRecord,
  OccurrenceDetails,
  OccurrenceState,
  TaskRunRecord,
  TraceContext,
} from '../storage/occurrence-record.ts'
import type { OccurrenceId } from '../ids.ts'
import type { TracedRequest, Tracing } from './tracing.ts'

const traceparentForm = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

const tracestateForm = /^[\x20-\x7e]+$/

/**
 * Reads a trace context from the storage or from tracing, which may hold any value. Returns `null` for an invalid context.
 * Leaves out a `tracestate` that is too long or not printable ASCII.
 */
export function readTraceContext(value: unknown): TraceContext | null {
  if (typeof value !== 'object' || value === null) return null
  const { traceparent, tracestate } = value as Partial<Record<keyof TraceContext, unknown>>
  if (typeof traceparent !== 'string' || !traceparentForm.test(traceparent)) return null
  const isKept =
    // The W3C recommendation requires that implementations propagate at least 512 characters.
    typeof tracestate === 'string' && tracestate.length <= 512 && tracestateForm.test(tracestate)
  return isKept ? { traceparent, tracestate } : { traceparent }
}

/** Returns the trace context of the last traced attempt; `null`: no attempt was traced. */
export function latestTraceOf(runs: readonly TaskRunRecord[]): TraceContext | null {
  let latest: AttemptRecord | null = null
  for (const { attempts } of runs) {
    for (const attempt of attempts) {
      if (attempt.traceparent === undefined) continue
      if (latest === null || attempt.startedAt >= latest.startedAt) latest = attempt
    }
  }
  return readTraceContext(latest)
}

const noOutcome = { occurrenceId: null, state: null }

/** Sends a request, and traces it from its beginning to its answer. Without tracing, only sends the request. */
export async function traced<Answer>(
  tracing: Tracing | null,
  request: Pick<TracedRequest, 'operation' | 'jobName'> & Partial<TracedRequest>,
  send: (trace: TraceContext | null) => Promise<Answer>,
  outcomeOf: (answer: Answer) => {
    readonly occurrenceId: OccurrenceId | null
    readonly state: OccurrenceState | null
  } = () => noOutcome,
): Promise<Answer> {
  const trace = tracing?.requested({ count: 1, key: null, replayOf: null, original: null, ...request }) ?? null
  if (trace === null) return send(null)
  try {
    const answer = await send(trace.context)
    trace.ended({ error: null, ...outcomeOf(answer) })
    return answer
  } catch (error) {
    trace.ended({ error })
    throw error
  }
}

/** Returns the details of a request, with the trace context of the request added. */
export function withTrace(details: OccurrenceDetails, trace: TraceContext | null): OccurrenceDetails {
  return trace === null ? details : { ...details, trace }
}
