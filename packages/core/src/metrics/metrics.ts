/** Counters, by name, with their labels. */
export interface CounterLabels {
  /**
   * Attempts that ended, by how. One that has `succeeded` is counted by the node on which its run ends, when it ends; one
   * that was `lost` with its owner by the node that took it over.
   */
  readonly scheduler_task_attempts_total: { readonly job: string; readonly task: string; readonly status: string }
  /** Occurrences that reached a final state through this node, by that state. */
  readonly scheduler_job_occurrences_total: { readonly job: string; readonly status: string }
  /** Missed slots that recovery made run. */
  readonly scheduler_recovery_runs_total: { readonly job: string; readonly strategy: string }
  /** Occurrences that this node took from an owner that was gone, by why. */
  readonly scheduler_takeovers_total: { readonly job: string; readonly reason: string }
  /** Occurrences that this node ran and has lost: another node has taken them, or they were canceled by force. */
  readonly scheduler_losses_total: { readonly job: string }
  /** Calls to the storage that failed, by operation; each is repeated. */
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
  /** Between becoming due and being taken, of what had to wait. */
  readonly scheduler_queue_wait_seconds: { readonly job: string }
}

/** Gauges that are set when something has happened, by name, with their labels. */
export interface EventGaugeLabels {
  /** When a run of the job was last `completed` on this node, in seconds since the epoch. */
  readonly scheduler_job_last_success_timestamp_seconds: { readonly job: string }
}

/** What is measured when it is asked for. */
export interface GaugeValues {
  /** Occurrences that this node runs, those of calls of `runDue` among them. */
  readonly scheduler_jobs_running: number
  /**
   * Occurrences that wait in the storage, of all nodes. Left out when the storage has not said so within 2 s, and from
   * `shutdown` on.
   */
  readonly scheduler_jobs_in_queue?: number
  /** Paused jobs, as far as this node knows. */
  readonly scheduler_jobs_paused: number
  /** Jobs whose slots are decided up to an instant that lies ahead, as far as this node knows. */
  readonly scheduler_jobs_ahead: number
  /**
   * Jobs that had no success for their `alertAfter`. One of the living nodes looks for them; the others leave it out. So
   * does a node that has ended or is not started, is isolated, or waits for its clock to be confirmed; calls of `runDue` do
   * not look.
   */
  readonly scheduler_jobs_silent?: number
  /** How far this node's clock is ahead of the storage's; 0 where the storage has none of its own. */
  readonly scheduler_clock_skew_seconds: number
  /**
   * Living nodes, this one among them, as far as this node knows. Left out where this one is none of them: it has ended, or
   * is not started.
   */
  readonly scheduler_nodes?: number
  /** 1 while no heartbeat of this node is accepted, and it takes no new work; otherwise 0. */
  readonly scheduler_node_isolated: number
  /** 1 while a clock that has jumped is not confirmed, and nothing begins on this node; otherwise 0. */
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
  /** The job was removed: its series are not to be shown any more. */
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
