import type { EventHub } from '../events.ts'
import type { Logger } from '../logger.ts'
import { failureTeller } from '../metrics/record-metrics.ts'
import { readTraceContext } from './trace-context.ts'
import type { AttemptTrace, RequestTrace, RunTrace, Tracing } from './tracing.ts'

const noFields: object = Object.freeze({})

/**
 * Wraps tracing so that an error of the tracing never affects the traced work. After an error, the work continues without a
 * trace. The wrapper emits `hook.failed` for each failure, and logs the first failure of each method.
 */
export function guardedTracing(tracing: Tracing, engine: { events: EventHub; logger: Logger }): Tracing {
  const tell = failureTeller('tracing', engine)

  function safely<T>(method: string, call: () => T, otherwise: T): T {
    try {
      return call()
    } catch (error) {
      tell(method, error)
      return otherwise
    }
  }

  function entered<T>(method: string, enter: (call: () => unknown) => unknown, call: () => T): T {
    return madeOnce((made) => safely(method, () => enter(made), undefined), call)
  }

  const guardedRequest = (trace: RequestTrace): RequestTrace => ({
    context: readTraceContext(trace.context),
    ended: (end) => safely('request.ended', () => trace.ended(end), undefined),
  })

  const guardedAttempt = (trace: AttemptTrace, run: { readonly isOver: boolean }): AttemptTrace => {
    let isOver = false
    return {
      within: (call) => entered('attempt.within', (made) => trace.within(made), call),
      logFields: () => safely('attempt.logFields', () => trace.logFields(), noFields),
      ended(end) {
        if (isOver || run.isOver) return
        isOver = true
        safely('attempt.ended', () => trace.ended(end), undefined)
      },
    }
  }

  const guardedRun = (trace: RunTrace): RunTrace => {
    const run = { isOver: false }
    const guarded = (attempt: AttemptTrace): AttemptTrace => guardedAttempt(attempt, run)
    return {
      context: readTraceContext(trace.context),
      within: (call) => entered('run.within', (made) => trace.within(made), call),
      attempt: (attempt) => safely('run.attempt', () => guardedOrNull(trace.attempt(attempt), guarded), null),
      logFields: () => safely('run.logFields', () => trace.logFields(), noFields),
      ended(end) {
        if (run.isOver) return
        run.isOver = true
        safely('run.ended', () => trace.ended(end), undefined)
      },
    }
  }

  return {
    outside: (call) => entered('outside', (made) => tracing.outside(made), call),
    requested: (request) => safely('requested', () => guardedOrNull(tracing.requested(request), guardedRequest), null),
    started: (run) => safely('started', () => guardedOrNull(tracing.started(run), guardedRun), null),
  }
}

/**
 * Calls a function outside of any trace. If `outside` throws, still calls the function, and does not report the error. A broken
 * tracing also throws in its other methods, and the scheduler reports those errors.
 */
export function outsideTraces<T>(tracing: Pick<Tracing, 'outside'> | null, call: () => T): T {
  if (tracing === null) return call()
  return madeOnce((made) => {
    try {
      tracing.outside(made)
    } catch {
      // Ignore the error of `outside`. If `outside` has not called `made`, `madeOnce` calls the function itself.
    }
  }, call)
}

/** Calls `call` exactly once, even if `enter` calls it never or twice. Returns or throws the outcome of `call`. */
function madeOnce<T>(enter: (call: () => void) => void, call: () => T): T {
  let outcome: { readonly value: T } | { readonly error: unknown } | null = null
  const once = (): void => {
    if (outcome !== null) return
    try {
      outcome = { value: call() }
    } catch (error) {
      outcome = { error }
    }
  }
  enter(once)
  once()
  const made = outcome as unknown as { readonly value: T } | { readonly error: unknown }
  if ('error' in made) throw made.error
  return made.value
}

function guardedOrNull<T extends object>(trace: T | null, guard: (trace: T) => T): T | null {
  return trace === null ? null : guard(trace)
}

/**
 * Returns an object whose methods call the methods of `target` outside of any trace. Otherwise the timers and promises that the
 * engine creates in a call would inherit the trace of the caller.
 */
export function methodsOutside<T extends object>(target: T, tracing: Pick<Tracing, 'outside'>): T {
  const outside = { ...target } as Record<PropertyKey, unknown>
  for (const name of Reflect.ownKeys(outside)) {
    const member = outside[name]
    if (typeof member !== 'function') continue
    outside[name] = (...given: unknown[]) => tracing.outside(() => member.apply(target, given))
  }
  return outside as T
}
