import type { CounterLabels, EventGaugeLabels, GaugeValues, HistogramLabels } from '@jobistemer/core'

type BucketKind = 'duration' | 'lateness'

interface Definition<Labels> {
  readonly help: string
  readonly labels: readonly (keyof Labels & string)[]
}

export const counters: { readonly [Name in keyof CounterLabels]: Definition<CounterLabels[Name]> } = {
  scheduler_task_attempts_total: { help: 'Attempts of tasks that ended.', labels: ['job', 'task', 'status'] },
  scheduler_job_occurrences_total: { help: 'Occurrences that reached a final state.', labels: ['job', 'status'] },
  scheduler_recovery_runs_total: { help: 'Missed slots that recovery made run.', labels: ['job', 'strategy'] },
  scheduler_takeovers_total: {
    help: 'Occurrences that were taken from an owner that was gone.',
    labels: ['job', 'reason'],
  },
  scheduler_losses_total: {
    help: 'Occurrences that this node ran and has lost: to another one, or canceled by force.',
    labels: ['job'],
  },
  scheduler_storage_failures_total: {
    help: 'Calls to the storage that failed and were repeated.',
    labels: ['operation'],
  },
}

export const histograms: {
  readonly [Name in keyof HistogramLabels]: Definition<HistogramLabels[Name]> & { readonly buckets: BucketKind }
} = {
  scheduler_job_execution_duration_seconds: {
    help: 'From the start of an occurrence to its end.',
    labels: ['job'],
    buckets: 'duration',
  },
  scheduler_task_execution_duration_seconds: {
    help: 'From the start of the first attempt of a task to the end of its last.',
    labels: ['job', 'task'],
    buckets: 'duration',
  },
  scheduler_start_lateness_seconds: {
    help: 'From the scheduled instant to the start.',
    labels: ['job'],
    buckets: 'lateness',
  },
  scheduler_queue_wait_seconds: {
    help: 'From becoming due to the start, of occurrences that had to wait.',
    labels: ['job'],
    buckets: 'lateness',
  },
}

export const gauges: { readonly [Name in keyof GaugeValues]-?: string } = {
  scheduler_jobs_running: 'Occurrences that this node runs.',
  scheduler_jobs_in_queue: 'Occurrences that wait in the storage, of all nodes.',
  scheduler_jobs_paused: 'Paused jobs.',
  scheduler_jobs_ahead: 'Jobs that a clock which was wrong has decided ahead of the time: they do not run.',
  scheduler_jobs_silent: 'Jobs that had no success for their alertAfter. One of the nodes shows it.',
  scheduler_clock_skew_seconds: 'How far the clock of this node is ahead of the clock of the storage.',
  scheduler_nodes: 'Living nodes, as far as this one knows.',
  scheduler_node_isolated: '1 while no heartbeat of this node is accepted, and it takes no new work.',
  scheduler_clock_unconfirmed: '1 while a clock that has jumped is not confirmed, and nothing begins on this node.',
}

/**
 * Former names of three gauges, which the option `totalGauges` also exports. By the convention of Prometheus, only names
 * of counters end in `_total`.
 */
export const oldGaugeNames: Readonly<Record<string, keyof GaugeValues>> = {
  scheduler_jobs_running_total: 'scheduler_jobs_running',
  scheduler_jobs_in_queue_total: 'scheduler_jobs_in_queue',
  scheduler_jobs_paused_total: 'scheduler_jobs_paused',
}

export const eventGauges: { readonly [Name in keyof EventGaugeLabels]: Definition<EventGaugeLabels[Name]> } = {
  scheduler_job_last_success_timestamp_seconds: {
    help: 'When a run of the job was last completed on this node.',
    labels: ['job'],
  },
}
