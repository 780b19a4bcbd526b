export { type MetricsCollector, metricsCollector } from './metrics-collector.ts'
export { type VirtualClock, virtualClock } from './virtual-clock.ts'
