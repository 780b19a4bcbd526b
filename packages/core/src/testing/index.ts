export { type MetricsCollector, metricsCollector } from './metrics-collector.ts'
export { type RunJobOptions, type RunTaskOptions, runJob, runTask } from './run-job.ts'
export { type VirtualClock, type VirtualClockOptions, virtualClock } from './virtual-clock.ts'
export {
  type StorageCall,
  type StorageHooks,
  type StorageMethod,
  storageMethods,
  wrapStorage,
} from './wrap-storage.ts'
