import { type Context, context, createContextKey, ROOT_CONTEXT, trace } from '@opentelemetry/api'

// The key under which `outsideSpans` stores the caller's context in an OpenTelemetry context. The scheduler's own work runs
// without an active span. Otherwise this work would belong to the caller's trace as long as the process lives. But the span of
// a request must be a child of the caller's span. So the request reads the caller's context under this key.
const callerKey = createContextKey('jobistemer caller')

/** Calls the function without an active span, and stores the caller's context for {@link callerContext}. */
export function outsideSpans<T>(call: () => T): T {
  const active = context.active()
  const hasSpan = trace.getSpan(active) !== undefined
  const outside = hasSpan ? ROOT_CONTEXT.setValue(callerKey, active.deleteValue(callerKey)) : ROOT_CONTEXT
  return context.with(outside, call)
}

/** Returns the context of the caller, or the root context if the caller had no active span. */
export function callerContext(): Context {
  const caller = context.active().getValue(callerKey)
  return caller === undefined ? ROOT_CONTEXT : (caller as Context)
}
