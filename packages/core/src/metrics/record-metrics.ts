import type { EventHub } from '../events.ts'
import { isFinal } from '../storage/occurrence-record.ts'
import type { Metrics } from './metrics.ts'

/** Turns events into metrics: a listener like any other. */
export function recordMetrics(events: EventHub, metrics: Metrics): void {
  events.on('occurrence.created', ({ jobName: job, state }) => {
    if (isFinal(state)) metrics.increment('scheduler_job_occurrences_total', { job, status: state }, 1)
  })
  events.on('occurrence.started', ({ jobName: job, latenessMs, waitedMs }) => {
    metrics.observe('scheduler_start_lateness_seconds', { job }, latenessMs / 1000)
    if (waitedMs > 0) metrics.observe('scheduler_queue_wait_seconds', { job }, waitedMs / 1000)
  })
  events.on('occurrence.finished', ({ jobName: job, report }) => {
    metrics.increment('scheduler_job_occurrences_total', { job, status: report.outcome }, 1)
    metrics.observe('scheduler_job_execution_duration_seconds', { job }, report.durationMs / 1000)
    for (const { name: task, durationMs } of report.tasks) {
      if (durationMs === null) continue
      metrics.observe('scheduler_task_execution_duration_seconds', { job, task }, durationMs / 1000)
    }
  })
  events.on('occurrence.canceled', ({ jobName: job }) => {
    metrics.increment('scheduler_job_occurrences_total', { job, status: 'canceled' }, 1)
  })
  events.on('occurrence.reaped', ({ jobName: job, action }) => {
    if (action === 'fail') metrics.increment('scheduler_job_occurrences_total', { job, status: 'failed_stale' }, 1)
  })
  events.on('attempt.ended', ({ jobName: job, task, state: status }) => {
    metrics.increment('scheduler_task_attempts_total', { job, task, status }, 1)
  })
  events.on('storage.failed', ({ operation }) => {
    metrics.increment('scheduler_storage_failures_total', { operation }, 1)
  })
  events.on('recovery.decided', ({ jobName: job, strategy, missed, toRun }) => {
    if (toRun > 0) metrics.increment('scheduler_recovery_runs_total', { job, strategy }, toRun)
    // A compressed run stands for all of them; otherwise what does not run is missed.
    const notRun = strategy === 'compressed' ? 0 : missed - toRun
    if (notRun > 0) metrics.increment('scheduler_job_occurrences_total', { job, status: 'missed' }, notRun)
  })
}
