import { type Context, context, createContextKey, ROOT_CONTEXT, trace } from '@opentelemetry/api'

// Asynchronous work inherits the active context. A scheduler's own work runs in a context without a span, so that no trace
// grows as long as the process lives. That context contains the caller's context, because the span of a request is a child
// of the caller's span.
const callerKey = createContextKey('jobistemer caller')

/** Calls outside of any span. */
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
