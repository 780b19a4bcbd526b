import { type Context, context, createContextKey, ROOT_CONTEXT, trace } from '@opentelemetry/api'

// Asynchronous work inherits the active context. What a scheduler does for itself has this one, in which no span is
// active: so no trace grows for as long as the process lives. Whoever has called is still known in it, since the span of a
// request is the caller's.
const callerKey = createContextKey('jobistemer caller')

/** Calls outside of any span. */
export function outsideSpans<T>(call: () => T): T {
  const active = context.active()
  const hasSpan = trace.getSpan(active) !== undefined
  const outside = hasSpan ? ROOT_CONTEXT.setValue(callerKey, active.deleteValue(callerKey)) : ROOT_CONTEXT
  return context.with(outside, call)
}

/** The context of whoever has called; the root where no span was active there. */
export function callerContext(): Context {
  const caller = context.active().getValue(callerKey)
  return caller === undefined ? ROOT_CONTEXT : (caller as Context)
}
