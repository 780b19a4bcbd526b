import type { OccurrenceId } from '../ids.ts'
import type { OccurrenceDetails, OccurrenceState, TraceContext } from '../storage/occurrence-record.ts'
import type { TracedRequest, Tracing } from './tracing.ts'

/** Sends a request and traces it from its beginning to its answer. */
export async function traced<Answer>(
  tracing: Tracing,
  request: TracedRequest,
  send: (trace: TraceContext | null) => Promise<Answer>,
  outcomeOf: (answer: Answer) => { readonly occurrenceId: OccurrenceId | null; readonly state: OccurrenceState | null },
): Promise<Answer> {
  const trace = tracing.requested(request)
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

/** The details of a request, with its trace context. */
export function withTrace(details: OccurrenceDetails, trace: TraceContext | null): OccurrenceDetails {
  return trace === null ? details : { ...details, trace }
}
