export { type OpenTelemetryMetricsOptions, openTelemetryMetrics } from './opentelemetry-metrics.ts'
export { type OpenTelemetryTracingOptions, openTelemetryTracing } from './opentelemetry-tracing.ts'
