import type { TraceContext } from '@jobistemer/core'
import { createTraceState, type Link, type SpanContext, TraceFlags, isSpanContextValid } from '@opentelemetry/api'
import { own } from './conventions.ts'

/** Returns the stored form of a span's context; `null` if the context is invalid or not sampled. */
export function printSpanContext(context: SpanContext): TraceContext | null {
  if (!isSpanContextValid(context) || !isSampled(context)) return null
  const flags = (context.traceFlags & 0xff).toString(16).padStart(2, '0')
  const traceparent = `00-${context.traceId}-${context.spanId}-${flags}`
  const tracestate = context.traceState?.serialize()
  return tracestate ? { traceparent, tracestate } : { traceparent }
}

function isSampled({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0
}

/** Parses a stored span context. Core calls this only with well-formed values. */
function parseSpanContext({ traceparent, tracestate }: TraceContext): SpanContext {
  const [, traceId, spanId, flags] = traceparent.split('-') as [string, string, string, string]
  return {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  }
}

/**
 * Returns a span link for each trace context in `origins` that is not `null`. The key in `origins` becomes the link's attribute
 * `jobistemer.link`.
 */
export function linksTo(origins: Readonly<Record<string, TraceContext | null>>): Link[] {
  const links: Link[] = []
  for (const [name, origin] of Object.entries(origins)) {
    if (origin !== null) links.push({ context: parseSpanContext(origin), attributes: { [own.link]: name } })
  }
  return links
}
