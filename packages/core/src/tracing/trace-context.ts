import type { AttemptRecord, TaskRunRecord, TraceContext } from '../storage/occurrence-record.ts'

const traceparentForm = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

const tracestateForm = /^[\x20-\x7e]+$/

/**
 * Reads a trace context that comes from the storage or from tracing, which may hold anything: `null` for what is none. A
 * `tracestate` that is too long or not of printable ASCII is left out.
 */
export function readTraceContext(value: unknown): TraceContext | null {
  if (typeof value !== 'object' || value === null) return null
  const { traceparent, tracestate } = value as Partial<Record<keyof TraceContext, unknown>>
  if (typeof traceparent !== 'string' || !traceparentForm.test(traceparent)) return null
  const isKept =
    // The recommendation of the W3C demands that 512 characters are handed on.
    typeof tracestate === 'string' && tracestate.length <= 512 && tracestateForm.test(tracestate)
  return isKept ? { traceparent, tracestate } : { traceparent }
}

/** What traced the attempt that began last, of those that were traced. */
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
