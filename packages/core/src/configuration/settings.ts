import type { DurationInput } from '../duration.ts'
import type { OverlapPolicy, StartRate } from '../storage/job-record.ts'

/** Whether the tasks of a job run one after another, in their order, or at the same time. */
export type TaskExecutionMode = 'sequential' | 'parallel'

/**
 * What happens to the other tasks of an occurrence when a task has failed and its retries are exhausted.
 *
 * - `fail_fast`: the node aborts the running tasks and starts no further tasks; the occurrence is `failed`. Tasks whose own
 *   `failureStrategy` is `continue`, such as clean-up tasks, still run to their end.
 * - `continue`: all tasks run; the outcome is `completed_with_errors`.
 * - `retry_on_failure`: as `fail_fast`, but a task without its own retry policy is first retried 3 times: after 1, 2 and 4
 *   seconds.
 */
export type FailureStrategy = 'fail_fast' | 'continue' | 'retry_on_failure'

/** What happens to an occurrence that was interrupted, because its node crashed, shut down or missed the deadline. */
export type InterruptionStrategy =
  /** Another node, or the same node after its restart, runs the next attempt, at most `maxRescues` times. */
  | 'retry'
  /** The occurrence fails. No node calls an interrupted handler again for that occurrence. */
  | 'fail'

/**
 * What a node does with its runs while the storage accepts none of the node's heartbeats. Other nodes may then declare the
 * node dead.
 */
export type IsolationStrategy =
  /**
   * The run continues. If another node takes over the run meanwhile, the run is active on two nodes. The storage then
   * rejects the results of the first node.
   */
  | 'continue'
  /**
   * The node aborts the run, so that the run is never active on two nodes. `onInterrupted` decides whether the run is tried
   * again.
   */
  | 'abort'

/**
 * How the node retries a failed task. The time before the n-th retry, counted from 0, is `retryInterval × backoffFactor^n`, at
 * most `maxInterval`. `jitter` may shorten this time.
 */
export interface RetryPolicyInput {
  /** Maximum number of retries after the first failure; 0 to 1,000. */
  readonly maxRetries: number
  /** Time before the first retry. Default 1 s. */
  readonly retryInterval?: DurationInput
  /** Factor by which each further interval grows; 1 to 100. Default 1: all intervals are equal. */
  readonly backoffFactor?: number
  /** Maximum time between two attempts. Default 1 h. */
  readonly maxInterval?: DurationInput
  /** Maximum share of each interval that is cut off at random, 0 to 1. With 0.2, 10 s become 8 to 10 s. Default 0. */
  readonly jitter?: number
}

/** A retry policy that is defined in code, so that it can hold a function. */
export interface RetryPolicyInCode extends RetryPolicyInput {
  /**
   * Decides whether a retry follows an attempt that failed or timed out. If this function returns `false`, the task ends,
   * although its policy has a retry left.
   *
   * - If the function throws, or returns nothing or a promise, the node logs an error, emits `hook.failed`, and retries the task.
   * - The storage does not keep the function. An `update` of the policy leaves the function in force.
   * - `defaults`, `update`, `overrides` and tasks that name a `handler` cannot contain the function.
   * - For an isolated task, the function gets the `name`, `message`, `code`, `stack` and `cause` of the error. It does not
   *   get the class of the error.
   */
  retryIf?(error: unknown): boolean
}

/** Decides which missed slots still run. A slot is missed if no node created it within the misfire threshold. */
export type RecoveryStrategyInput =
  /** Each missed slot runs, in order. */
  | 'execute_all'
  /** The last missed slot runs; the node records the earlier slots as missed. */
  | 'execute_last'
  /** No missed slot runs; the node records all of them as missed. */
  | 'mark_as_missed'
  /**
   * One run, at the last missed slot, covers all missed slots. `context.span` has the first and the last of these slots, and
   * their number. The number does not include slots that were canceled ahead.
   */
  | 'compressed'
  /** The last `maxOccurrences` slots that are not older than `maxAge` run. At least one bound is required. */
  | { readonly type: 'bounded_window'; readonly maxOccurrences?: number; readonly maxAge?: DurationInput }

/** How long the storage keeps the history of a job. */
export type RetentionInput =
  /** Nodes never remove the history; only a call of `prune` removes it. */
  | 'forever'
  | {
      /** The nodes remove final occurrences whose `scheduledAt` is older than this duration. Default 30 d. */
      readonly olderThan?: DurationInput
      /** Number of latest occurrences to keep, whatever their age, as long as the job has future slots. Default 10. */
      readonly keep?: number
    }

/** Whether the storage keeps, with each attempt, the lines that its handler logs through `context.logger`. */
export type KeepLogsInput =
  /** `true` keeps the last 100 log lines of each attempt; `false` keeps none. */
  | boolean
  | {
      /** Number of last log lines of each attempt to keep, 1 to 1,000. Default 100. */
      readonly lines?: number
    }

/** Settings that both a job and a task can have. */
export interface TaskSettingsInput {
  /** What a failure of the task means for the other tasks of the occurrence. Default `fail_fast`. */
  readonly failureStrategy?: FailureStrategy
  /** How the node retries a failed task. Default: no retry. */
  readonly retryPolicy?: RetryPolicyInput
  /** Maximum duration of one attempt. Default: the job's `executionTimeout`. */
  readonly taskTimeout?: DurationInput
  /**
   * Whether the storage keeps, with each attempt, the last lines that the handler logs through `context.logger`, on all
   * levels. Each line is cut after 1,000 characters; the lines of an occurrence take at most 65,536 bytes. The storage then
   * also holds the secrets that handlers log. Default false.
   */
  readonly keepLogs?: KeepLogsInput
}

/** Settings of a job. A scheduler takes the same settings as defaults for its jobs. */
export interface JobSettingsInput extends TaskSettingsInput {
  /** Whether the tasks of the job run one after another or at the same time. Default `sequential`. */
  readonly taskExecutionMode?: TaskExecutionMode
  /** Maximum duration of an occurrence, from its claim. Default 1 h. */
  readonly executionTimeout?: DurationInput
  /**
   * What happens to a run that is due while another run of the job is active. Default `skip`. Default for a job without a
   * schedule: `allow`, or `queue` if `maxConcurrency` or `startRate` is set.
   */
  readonly overlapPolicy?: OverlapPolicy
  /**
   * Maximum number of queued occurrences of the job under the overlap policy `queue`. If the queue is full, a request is
   * rejected with `QUEUE_FULL` and a slot is skipped. Default 100,000, or the storage's limit if that is lower.
   */
  readonly maxQueued?: number
  /**
   * Maximum number of active runs of the job, on all nodes together; 1 to 1,000. Default 1; under `allow` the number is
   * unlimited. A run that waits for a retry is active.
   */
  readonly maxConcurrency?: number
  /**
   * How often runs of the job may start, on all nodes together. Due runs above this rate wait in their order, and none is
   * skipped because of the rate. Applies under `skip`, `queue` and `queue_one`. Default `unlimited`.
   */
  readonly startRate?: StartRateInput | 'unlimited'
  /**
   * Priority of the job's runs among the waiting runs of all jobs: an integer from -10 to 10. **A higher number runs earlier.**
   * A run with one level more starts before runs that are up to one hour older. So a run of low priority does not starve. A run
   * keeps the priority that it had at its creation. Default 0.
   */
  readonly priority?: number
  /** Which missed slots of the job still run. Default `execute_last`. */
  readonly recoveryStrategy?: RecoveryStrategyInput
  /**
   * If no node has created a slot within this time after its instant, the slot is missed. The recovery strategy decides
   * whether a missed slot still runs. Default 1 min.
   *
   * An outage of the storage is an exception. If several slots of the job came due during the outage, they are missed even
   * within this time.
   */
  readonly misfireThreshold?: DurationInput
  /** What happens to an interrupted occurrence of the job. Default `retry`. */
  readonly onInterrupted?: InterruptionStrategy
  /**
   * How many times nodes rescue an occurrence under `onInterrupted: 'retry'`, before it fails. A hand-back is no rescue.
   * Default 3.
   */
  readonly maxRescues?: number
  /**
   * What happens to the runs of a node if the storage has accepted none of the node's heartbeats for 80 % of
   * `deadAfter`. `abort` fires the signals of the runs, with `isolated` as the reason. Default `continue`.
   */
  readonly whileIsolated?: IsolationStrategy
  /**
   * How long the storage keeps the history of the job. Default 30 d and the latest 10 occurrences.
   *
   * - The living nodes remove occurrences beyond the retention in small steps, within a day. If `olderThan` is short, the
   *   nodes remove the occurrences within hours.
   * - After the schedule of a data job is over and its history is removed, the nodes remove the job.
   */
  readonly retention?: RetentionInput
  /**
   * Time without a `completed` run after which the job is silent, whatever the reason. At least 1 s. Default `never`.
   *
   * - For a silent job, a living node emits `job.silent`, logs an error, and raises the gauge `scheduler_jobs_silent`.
   * - The time is counted from the last success. If the job was stored, changed or resumed later, the time is
   *   counted from that instant. A pause that ended later has the same effect.
   */
  readonly alertAfter?: DurationInput | 'never'
  /** IANA time zone of schedules that name no time zone. Default `UTC`. */
  readonly timezone?: string
}

/** A checked retry policy in milliseconds, with defaults for omitted members. */
export interface RetryPolicy {
  /** Maximum number of attempts after the first. */
  readonly maxRetries: number
  /** Milliseconds before the first retry. */
  readonly retryIntervalMs: number
  /** Factor by which each further interval grows. */
  readonly backoffFactor: number
  /** Maximum milliseconds between two attempts. */
  readonly maxIntervalMs: number
  /** Maximum share of each interval that the jitter cuts off at random, 0 to 1. */
  readonly jitter: number
}

/** A recovery strategy in its stored form: `null` stands for an omitted bound. */
export type RecoveryStrategy =
  | { readonly type: 'execute_all' | 'execute_last' | 'mark_as_missed' | 'compressed' }
  | { readonly type: 'bounded_window'; readonly maxOccurrences: number | null; readonly maxAgeMs: number | null }

/** How long the storage keeps history. */
export interface Retention {
  /** The nodes remove final occurrences whose `scheduledAt` is older than this duration, in ms. */
  readonly olderThanMs: number
  /** Number of latest occurrences to keep, whatever their age. */
  readonly keep: number
}

/** How much of a handler's log the storage keeps. */
export interface KeepLogs {
  /** Number of last log lines of each attempt to keep. */
  readonly lines: number
}

/**
 * The effective settings of a task. A setting that the task does not set comes from its job, its scheduler or the
 * defaults.
 */
export interface TaskSettings {
  /** What the failure of the task means for the other tasks of the occurrence. */
  readonly failureStrategy: FailureStrategy
  /** The retry policy; `null` if neither the task nor its job, scheduler or trigger has set one. */
  readonly retryPolicy: RetryPolicy | null
  /** Maximum duration of one attempt, in ms; `null` if only `executionTimeoutMs` limits it. */
  readonly taskTimeoutMs: number | null
  /** How much of the handler's log the storage keeps; `null` for nothing. */
  readonly keepLogs: KeepLogs | null
}

/** Maximum number of starts in any interval of a given length: `{ limit: 10, interval: { minutes: 1 } }`. */
export interface StartRateInput {
  /**
   * Maximum number of starts in an interval; 1 to 100. A higher rate needs a shorter interval: for 1,000 starts per minute,
   * set 100 starts in 6 s.
   */
  readonly limit: number
  /** Length of the start rate's interval; 1 ms to 366 days. */
  readonly interval: DurationInput
}

/** The effective settings of a job. A setting that the job does not set comes from its scheduler or the defaults. */
export interface JobSettings extends TaskSettings {
  /** Whether the tasks of the job run one after another or at the same time. */
  readonly taskExecutionMode: TaskExecutionMode
  /** Maximum duration of an occurrence from its claim, in ms. */
  readonly executionTimeoutMs: number
  /** What happens to an occurrence that is due while an earlier occurrence of its job is active. */
  readonly overlapPolicy: OverlapPolicy
  /** Maximum number of queued occurrences of the job under the overlap policy `queue`. */
  readonly maxQueued: number
  /** Maximum number of active runs of the job, on all nodes together. */
  readonly maxConcurrency: number
  /** How often runs of the job may start, on all nodes together; `null` for no limit. */
  readonly startRate: StartRate | null
  /** Priority of the job's runs, -10 to 10: a higher number runs earlier. */
  readonly priority: number
  /** Decides which missed slots of the job still run. */
  readonly recoveryStrategy: RecoveryStrategy
  /** Milliseconds after which a slot that no node has created is missed. */
  readonly misfireThresholdMs: number
  /** What happens to an interrupted occurrence. */
  readonly onInterrupted: InterruptionStrategy
  /** How many times nodes rescue an occurrence under `onInterrupted: 'retry'`. */
  readonly maxRescues: number
  /** What happens to the runs of a node while the storage accepts none of the node's heartbeats. */
  readonly whileIsolated: IsolationStrategy
  /** How long the storage keeps the job's history; `null` for ever. */
  readonly retention: Retention | null
  /** Milliseconds without a success after which the job is silent; `null` for never. */
  readonly alertAfterMs: number | null
  /** IANA name of the time zone of schedules that name no zone. */
  readonly timezone: string
}

/**
 * The task settings that a scheduler, a job, a task or a trigger sets, in the form that the storage keeps: durations are in
 * ms.
 */
export type TaskOverrides = Partial<TaskSettings>

/**
 * The job settings that a single level (a scheduler, a job or a trigger) sets, without the settings of other levels.
 * The settings have the form of {@link TaskOverrides}.
 */
export type JobOverrides = Partial<JobSettings>
