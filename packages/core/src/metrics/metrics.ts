/** Labels of each counter, by the counter's name. */
export interface CounterLabels {
  /**
   * Ended attempts, by state. A node counts the `succeeded` attempts of a run when the run ends. The node that takes over a run
   * counts its `lost` attempt.
   */
  readonly scheduler_task_attempts_total: { readonly job: string; readonly task: string; readonly status: string }
  /** Occurrences that reached a final state on this node, by that state. */
  readonly scheduler_job_occurrences_total: { readonly job: string; readonly status: string }
  /** Missed slots that run because of the recovery strategy. */
  readonly scheduler_recovery_runs_total: { readonly job: string; readonly strategy: string }
  /** Occurrences that this node reaped, by reason. */
  readonly scheduler_takeovers_total: { readonly job: string; readonly reason: string }
  /** Occurrences that this node lost while it ran them: another node took the occurrence, or a cancel by force ended it. */
  readonly scheduler_losses_total: { readonly job: string }
  /** Failed storage calls, by operation. The engine repeats each failed call. */
  readonly scheduler_storage_failures_total: { readonly operation: string }
}

/** Labels of each histogram, by the histogram's name. Values are seconds. */
export interface HistogramLabels {
  /** Seconds from the start of an occurrence to its end. */
  readonly scheduler_job_execution_duration_seconds: { readonly job: string }
  /** Seconds from the start of a task's first attempt to the end of its last attempt. */
  readonly scheduler_task_execution_duration_seconds: { readonly job: string; readonly task: string }
  /** Seconds between an occurrence's scheduled instant and its start. */
  readonly scheduler_start_lateness_seconds: { readonly job: string }
  /** Seconds from the due instant to the claim, for occurrences that had to wait. */
  readonly scheduler_queue_wait_seconds: { readonly job: string }
}

/** Labels of each gauge that the scheduler sets at events, by the gauge's name. */
export interface EventGaugeLabels {
  /** When a run of the job was last `completed` on this node, in seconds since the epoch. */
  readonly scheduler_job_last_success_timestamp_seconds: { readonly job: string }
}

/** The present values of a scheduler's gauges. A metrics collector reads these values, see {@link Metrics.gauges}. */
export interface GaugeValues {
  /** Occurrences that this node runs at present, including those of calls of `runDue`. */
  readonly scheduler_jobs_running: number
  /**
   * Waiting occurrences in the storage, of all nodes. Absent if the storage has not answered within 2 s, and from
   * `shutdown` on.
   */
  readonly scheduler_jobs_in_queue?: number
  /** Number of paused jobs, as far as this node knows. */
  readonly scheduler_jobs_paused: number
  /** Number of jobs that are ahead, as far as this node knows: because of a wrong clock, their watermark lies in the future. */
  readonly scheduler_jobs_ahead: number
  /**
   * Number of jobs without a success for their `alertAfter`. One living node counts the silent jobs; on other nodes the gauge
   * is absent. The gauge is also absent before the start, after the end, while the node is isolated, and while its clock is
   * unconfirmed. Calls of `runDue` do not count silent jobs.
   */
  readonly scheduler_jobs_silent?: number
  /** How far this node's clock is ahead of the storage's clock, in seconds; 0 if the storage has no clock. */
  readonly scheduler_clock_skew_seconds: number
  /**
   * Number of living nodes, including this node, as far as this node knows. Absent before the start and after the end of this
   * node.
   */
  readonly scheduler_nodes?: number
  /** 1 while the storage accepts no heartbeat of this node, and this node takes no new work; otherwise 0. */
  readonly scheduler_node_isolated: number
  /** 1 while a clock jump is unconfirmed and this node starts no runs; otherwise 0. */
  readonly scheduler_clock_unconfirmed: number
}

/**
 * Receives the metrics of a scheduler. If a method throws, the scheduler emits `hook.failed` and continues. The scheduler logs
 * only the first failure of each method.
 */
export interface Metrics {
  /** Adds `by` to a counter. */
  increment<Name extends keyof CounterLabels>(name: Name, labels: CounterLabels[Name], by: number): void
  /** Adds an observation to a histogram. `value` is in seconds. */
  observe<Name extends keyof HistogramLabels>(name: Name, labels: HistogramLabels[Name], value: number): void
  /** Sets a gauge. */
  set<Name extends keyof EventGaugeLabels>(name: Name, labels: EventGaugeLabels[Name], value: number): void
  /**
   * Called after a job was removed. The collector then removes all series of the job. An active run of the job that ends later
   * creates counters and histograms of the job again.
   */
  removeJob(job: string): void
  /**
   * Each scheduler calls `gauges` once, with a function that reads the scheduler's gauges at any time. The function never
   * rejects.
   */
  gauges(read: () => Promise<GaugeValues>): void
  /**
   * A scheduler calls `end` at its end, after it has reported its last values. `read` is the function that the scheduler passed
   * to `gauges`. The collector must then forget this function. The collector must keep the counts, because another scheduler
   * may follow.
   *
   * A program calls `end` without `read` to state that no scheduler uses the metrics, for example because `createScheduler` has
   * thrown. A collector without state need not implement `end`.
   */
  end?(read?: () => Promise<GaugeValues>): void
}
