export { type MetricsCollector, metricsCollector } from './metrics-collector.ts'
export { type VirtualClock, virtualClock } from './virtual-clock.ts'
export { type StorageCall, type StorageHooks, type StorageMethod, storageMethods, wrapStorage } from './wrap-storage.ts'
