/** Counters, by name, with their labels. */
export interface CounterLabels {
  /**
   * Ended attempts, by state. The node on which a run ends counts its `succeeded` attempts at the end of the run. The
   * node that takes over a run counts its `lost` attempts.
   */
  readonly scheduler_task_attempts_total: { readonly job: string; readonly task: string; readonly status: string }
  /** Occurrences that reached a final state on this node, by that state. */
  readonly scheduler_job_occurrences_total: { readonly job: string; readonly status: string }
  /** Missed slots that recovery runs. */
  readonly scheduler_recovery_runs_total: { readonly job: string; readonly strategy: string }
  /** Occurrences that this node reaped, by reason. */
  readonly scheduler_takeovers_total: { readonly job: string; readonly reason: string }
  /** Occurrences that this node has lost while it ran them: another node took them, or they were canceled by force. */
  readonly scheduler_losses_total: { readonly job: string }
  /** Failed storage calls, by operation. The engine repeats each. */
  readonly scheduler_storage_failures_total: { readonly operation: string }
}

/** Histograms of seconds, by name, with their labels. */
export interface HistogramLabels {
  /** From the start of an occurrence to its end. */
  readonly scheduler_job_execution_duration_seconds: { readonly job: string }
  /** From the start of the first attempt of a task to the end of its last. */
  readonly scheduler_task_execution_duration_seconds: { readonly job: string; readonly task: string }
  /** Between the scheduled instant and the start. */
  readonly scheduler_start_lateness_seconds: { readonly job: string }
  /** From the due instant to the claim, of occurrences that had to wait. */
  readonly scheduler_queue_wait_seconds: { readonly job: string }
}

/** Gauges that the scheduler sets at events, by name, with their labels. */
export interface EventGaugeLabels {
  /** The last end of a `completed` run of the job on this node, in seconds since the epoch. */
  readonly scheduler_job_last_success_timestamp_seconds: { readonly job: string }
}

/** Gauges that the collector reads. */
export interface GaugeValues {
  /** Occurrences that this node runs, including those of calls of `runDue`. */
  readonly scheduler_jobs_running: number
  /**
   * Waiting occurrences in the storage, of all nodes. Absent if the storage has not answered within 2 s, and from
   * `shutdown` on.
   */
  readonly scheduler_jobs_in_queue?: number
  /** Paused jobs, as far as this node knows. */
  readonly scheduler_jobs_paused: number
  /** Jobs whose slots are decided up to a future instant, as far as this node knows. */
  readonly scheduler_jobs_ahead: number
  /**
   * Jobs without a success for their `alertAfter`. One living node counts them; on other nodes the gauge is absent. It
   * is also absent before the start, after the end, while the node is isolated, and while its clock is unconfirmed.
   * Calls of `runDue` do not count silent jobs.
   */
  readonly scheduler_jobs_silent?: number
  /** Lead of this node's clock over the storage's; 0 if the storage has no clock. */
  readonly scheduler_clock_skew_seconds: number
  /** Living nodes, including this one, as far as this node knows. Absent before the start and after the end of this node. */
  readonly scheduler_nodes?: number
  /** 1 while no heartbeat of this node is accepted, and it takes no new work; otherwise 0. */
  readonly scheduler_node_isolated: number
  /** 1 while a clock jump is unconfirmed and this node starts no runs; otherwise 0. */
  readonly scheduler_clock_unconfirmed: number
}

/**
 * Receives the metrics of a scheduler. If a method throws, the scheduler emits `hook.failed` and continues. It logs the
 * first failure of each method.
 */
export interface Metrics {
  /** Adds `by` to a counter. */
  increment<Name extends keyof CounterLabels>(name: Name, labels: CounterLabels[Name], by: number): void
  /** Adds an observation to a histogram. `value` is in seconds. */
  observe<Name extends keyof HistogramLabels>(name: Name, labels: HistogramLabels[Name], value: number): void
  /** Sets a gauge. */
  set<Name extends keyof EventGaugeLabels>(name: Name, labels: EventGaugeLabels[Name], value: number): void
  /** The job was removed: the collector drops its series. */
  removeJob(job: string): void
  /** A scheduler calls this once and passes a function that reads its gauges at any time. That function never rejects. */
  gauges(read: () => Promise<GaugeValues>): void
  /**
   * A scheduler calls this at its end, after its last count, with the function that it passed to `gauges`. The
   * collector must then drop that function. The counts stay; another scheduler may follow. Without `read`, the program
   * that made the metrics declares that no scheduler uses them, for example because `createScheduler` has thrown. A
   * collector without state need not implement it.
   */
  end?(read?: () => Promise<GaugeValues>): void
}
