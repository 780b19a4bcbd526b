import type { EventHub } from '../events.ts'
import { isFinal } from '../storage/occurrence-record.ts'
import type { CounterLabels, Metrics } from './metrics.ts'
import type { Logger } from '../logger.ts'
import { rememberedValues } from '../tuning.ts'
import { catchRejection } from '../rejection.ts'

/**
 * Adds listeners that turn the events of a scheduler into metrics. `now` returns epoch milliseconds. Returns the function to call
 * when a job was removed that this node does not hold.
 */
export function recordMetrics(events: EventHub, metrics: Metrics, now: () => number): (jobName: string) => void {
  /**
   * When this node learned of the removal of a job, by the job's name. An active run of a removed job that ends later creates
   * counters of the job again. It must not set the instant of the last success: an alert would compare that instant for ever.
   */
  const removedAt = new Map<string, number>()

  function count<Name extends keyof CounterLabels>(name: Name, labels: CounterLabels[Name], by = 1): void {
    metrics.increment(name, labels, by)
  }

  const remove = (jobName: string): void => {
    if (removedAt.size >= rememberedValues) removedAt.clear()
    removedAt.set(jobName, now())
    metrics.removeJob(jobName)
  }
  events.on('job.removed', ({ jobName }) => remove(jobName))
  events.on('job.registered', ({ jobName }) => removedAt.delete(jobName))
  events.on('occurrence.created', ({ jobName: job, state }) => {
    if (isFinal(state)) count('scheduler_job_occurrences_total', { job, status: state })
  })
  events.on('occurrence.started', ({ jobName: job, latenessMs, waitedMs }) => {
    metrics.observe('scheduler_start_lateness_seconds', { job }, latenessMs / 1000)
    if (waitedMs > 0) metrics.observe('scheduler_queue_wait_seconds', { job }, waitedMs / 1000)
  })
  events.on('occurrence.finished', ({ jobName: job, report, isToldBefore }) => {
    if (isToldBefore !== true) count('scheduler_job_occurrences_total', { job, status: report.outcome })
    metrics.observe('scheduler_job_execution_duration_seconds', { job }, report.durationMs / 1000)
    for (const { name: task, durationMs, state } of report.tasks) {
      if (durationMs !== null)
        metrics.observe('scheduler_task_execution_duration_seconds', { job, task }, durationMs / 1000)
      // Count the success of a task when its run ends, not when its handler ends. If this node has lost the run, the storage
      // rejects the end of the run, and the success must not count.
      if (state === 'completed' && durationMs !== null)
        count('scheduler_task_attempts_total', { job, task, status: 'succeeded' })
    }
    const isOfRemoved = report.startedAt.getTime() <= (removedAt.get(job) ?? Number.NEGATIVE_INFINITY)
    if (report.outcome === 'completed' && !isOfRemoved) {
      metrics.set('scheduler_job_last_success_timestamp_seconds', { job }, report.finishedAt.getTime() / 1000)
    }
  })
  events.on('occurrence.canceled', ({ jobName: job }) => {
    count('scheduler_job_occurrences_total', { job, status: 'canceled' })
  })
  events.on('occurrence.lost', ({ jobName: job }) => {
    count('scheduler_losses_total', { job })
  })
  events.on('occurrence.reaped', ({ jobName: job, action, reason, lostTasks }) => {
    count('scheduler_takeovers_total', { job, reason })
    for (const task of lostTasks) count('scheduler_task_attempts_total', { job, task, status: 'lost' })
    if (action === 'fail') count('scheduler_job_occurrences_total', { job, status: 'failed_stale' })
  })
  events.on('attempt.ended', ({ jobName: job, task, state: status }) => {
    if (status !== 'succeeded') count('scheduler_task_attempts_total', { job, task, status })
  })
  events.on('storage.failed', ({ operation }) => {
    count('scheduler_storage_failures_total', { operation })
  })
  events.on('recovery.decided', ({ jobName: job, strategy, missed, toRun }) => {
    if (toRun > 0) count('scheduler_recovery_runs_total', { job, strategy }, toRun)
    // Under `compressed`, one run covers all missed slots, so `scheduler_job_occurrences_total` counts no slot as `missed`.
    // Under other strategies, it counts each missed slot without a run as `missed`.
    const notRun = strategy === 'compressed' ? 0 : missed - toRun
    if (notRun > 0) count('scheduler_job_occurrences_total', { job, status: 'missed' }, notRun)
  })
  return remove
}

/**
 * Returns a function that reports errors of the user's metrics or tracing. For each error, this function emits `hook.failed`.
 * It logs only the first error of each method.
 */
export function failureTeller(
  telemetry: 'metrics' | 'tracing',
  { events, logger }: { readonly events: EventHub; readonly logger: Logger },
): (method: string, error: unknown) => void {
  const failed = new Set<string>()
  return (method, error) => {
    events.emit('hook.failed', { hook: `${telemetry}.${method}`, error, jobName: null })
    if (failed.has(method)) return
    failed.add(method)
    logger.error(
      { method, err: error },
      `a method of ${telemetry} failed: ${telemetry} may be incomplete; further failures of this method are not logged`,
    )
  }
}

/** Wraps metrics so that their errors and rejections never affect the measured work, nor the calls of other methods. */
export function guardedMetrics(
  metrics: Metrics,
  engine: { readonly events: EventHub; readonly logger: Logger },
): Required<Metrics> {
  const tell = failureTeller('metrics', engine)
  const guarded = (name: keyof Metrics) => {
    const call = (...values: unknown[]): void => {
      try {
        const method = metrics[name] as ((...values: unknown[]) => unknown) | undefined
        catchRejection(method?.apply(metrics, values), (error) => tell(name, error))
      } catch (error) {
        tell(name, error)
      }
    }
    return [name, call]
  }
  const names = ['increment', 'observe', 'set', 'removeJob', 'gauges', 'end'] as const
  return Object.fromEntries(names.map(guarded)) as Required<Metrics>
}
