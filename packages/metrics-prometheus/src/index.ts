export { prometheusMetrics } from './prometheus-metrics.ts'
export type { PrometheusMetricsOptions } from './prometheus-options.ts'
