export { type MetricsCollector, metricsCollector } from './metrics-collector.ts'
export { type RunJobOptions, type RunTaskOptions, runJob, runTask } from './run-job.ts'
export { type VirtualClock, type VirtualClockOptions, virtualClock } from './virtual-clock.ts'
export * from './wrap-storage.ts'
