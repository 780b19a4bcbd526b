import type { Tracing } from '@jobistemer/core'
import { type TracerProvider, trace } from '@opentelemetry/api'
import { outsideSpans } from './caller.ts'
import { schemaUrl, scopeName } from './conventions.ts'
import { readOptions } from './read-options.ts'
import { SpanOfRequest } from './request-trace.ts'
import { SpansOfRun } from './run-trace.ts'

/** The options of `openTelemetryTracing`: the tracer provider of OpenTelemetry. */
export interface OpenTelemetryTracingOptions {
  /** The tracer provider of OpenTelemetry. Default: the global tracer provider, which may also be registered later. */
  readonly tracerProvider?: TracerProvider
}

/**
 * Returns tracing for `createScheduler({ tracing })` and `createClient({ tracing })`. Several schedulers and clients
 * may share the returned object.
 *
 * @example
 * const tracing = openTelemetryTracing()
 * const scheduler = createScheduler({ storage, jobs, tracing })
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function openTelemetryTracing(options: OpenTelemetryTracingOptions = {}): Tracing {
  const { tracerProvider = trace.getTracerProvider() } = readOptions(options, {
    tracerProvider: { method: 'getTracer', remedy: 'Give a TracerProvider, as the SDK makes it.' },
  })
  const tracer = tracerProvider.getTracer(scopeName, undefined, { schemaUrl })
  return {
    outside: outsideSpans,
    requested: (request) => new SpanOfRequest(tracer, request),
    started: (run) => new SpansOfRun(tracer, run),
  }
}
