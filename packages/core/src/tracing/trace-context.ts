import type { AttemptRecord, TaskRunRecord, TraceContext } from '../storage/occurrence-record.ts'

const traceparentForm = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

const tracestateForm = /^[\x20-\x7e]+$/

/**
 * Reads a trace context from the storage or from tracing, which may hold any value. Returns `null` if it is invalid.
 * Drops a `tracestate` that is too long or not printable ASCII.
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

/** The trace context of the last traced attempt. */
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
