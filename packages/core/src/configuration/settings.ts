import type { DurationInput } from '../duration.ts'
import type { OverlapPolicy, StartRate } from '../storage/job-record.ts'

/** Whether a job's tasks run one after another, in their order, or all at once. */
export type TaskExecutionMode = 'sequential' | 'parallel'

/**
 * What becomes of the group when a task has failed and its retries are exhausted.
 *
 * - `fail_fast`: what runs is aborted, nothing more starts, the occurrence is `failed`. Tasks whose own override is
 *   `continue` still run to their end (clean-up tasks).
 * - `continue`: all tasks run; the outcome is `completed_with_errors`.
 * - `retry_on_failure`: as `fail_fast`, but a task without a retry policy of its own is retried 3 times, 1 s, 2 s and
 *   4 s after its failures, before it counts as failed.
 */
export type FailureStrategy = 'fail_fast' | 'continue' | 'retry_on_failure'

/**
 * What becomes of an occurrence that was interrupted before its end: by a crash of its node, by a shutdown, by a deadline
 * that its node let pass.
 */
export type InterruptionStrategy =
  /** Another node, or the same one after its restart, goes on with the next attempt, at most `maxRescues` times. */
  | 'retry'
  /** It fails: a handler that was interrupted is never called again for that occurrence, whatever ended its node. */
  | 'fail'

/** What a node does with what it runs while none of its heartbeats is accepted, so that others may take it for dead. */
export type IsolationStrategy =
  /** It goes on. If others take it over meanwhile, it runs twice at once, and what it says here is refused. */
  | 'continue'
  /** It is told to stop: rather none than two. What it leaves is treated as `onInterrupted` says. */
  | 'abort'

/** How a failed attempt is tried again: `retryInterval × backoffFactor^n` after the n-th retry, counted from 0. */
export interface RetryPolicyInput {
  /** How often a task is tried again after its first failure; 0 to 1,000. */
  readonly maxRetries: number
  /** Time before the first retry. Default 1 s. */
  readonly retryInterval?: DurationInput
  /** Default 1: every interval is the same. 1 to 100. */
  readonly backoffFactor?: number
  /** No interval is longer. Default 1 h. */
  readonly maxInterval?: DurationInput
  /** Share of each interval that is random, 0 to 1: at 0.2 an interval of 10 s lasts 8 to 10 s. Default 0. */
  readonly jitter?: number
}

/** A retry policy where the code of the task is. */
export interface RetryPolicyInCode extends RetryPolicyInput {
  /**
   * The node calls this function after an attempt that failed or timed out, if a retry would follow. `false` ends the task
   * at once. The function is synchronous. If it throws or returns a promise, the node logs that, emits `hook.failed`, and
   * retries the task.
   *
   * The function is code, as `run` is: the storage does not keep it, and `update` of the policy leaves it in force. Tasks
   * that name a `handler`, `defaults`, `update` and `overrides` refuse it. Errors of isolated tasks keep `name`, `message`,
   * `code`, `stack` and `cause`, and lose their class.
   */
  retryIf?(error: unknown): boolean
}

/** What becomes of slots that nobody ran in time. Slots older than the misfire threshold are missed. */
export type RecoveryStrategyInput =
  /** Every missed slot runs, in order. */
  | 'execute_all'
  /** The last missed slot runs; the earlier ones are recorded as missed. */
  | 'execute_last'
  /** None runs; they are recorded as missed. */
  | 'mark_as_missed'
  /**
   * One run, at the last missed slot, that is told the whole span which it covers. Slots that were canceled ahead are
   * left out.
   */
  | 'compressed'
  /** The last `maxOccurrences` slots not older than `maxAge` run; at least one bound is given. */
  | { readonly type: 'bounded_window'; readonly maxOccurrences?: number; readonly maxAge?: DurationInput }

/** For how long history is kept. */
export type RetentionInput =
  /** Nothing is removed but by `prune`. */
  | 'forever'
  | {
      /** Occurrences that have ended go when they were scheduled longer ago than this. Default 30 d. */
      readonly olderThan?: DurationInput
      /** The latest so many stay all the same, as long as the job has slots to come. Default 10. */
      readonly keep?: number
    }

/** Whether what a handler logs through `context.logger` is kept with its attempt. */
export type KeepLogsInput =
  /** The last 100 lines, or none. */
  | boolean
  | {
      /** The last so many lines, 1 to 1,000. Default 100. */
      readonly lines?: number
    }

/** Settings that both a job and a task can have. */
export interface TaskSettingsInput {
  /** Default `fail_fast`. */
  readonly failureStrategy?: FailureStrategy
  /** Default: no retry. */
  readonly retryPolicy?: RetryPolicyInput
  /** The longest duration of one attempt. Default: the job's `executionTimeout`. */
  readonly taskTimeout?: DurationInput
  /**
   * Keeps what handlers log through `context.logger`, on all levels, with their attempts: the last lines, each cut after
   * 1,000 characters, in at most 65,536 bytes for an occurrence. What is logged is stored then, with whatever secrets are in
   * it. Default false.
   */
  readonly keepLogs?: KeepLogsInput
}

/** Settings of a job; a scheduler takes the same as defaults for its jobs. */
export interface JobSettingsInput extends TaskSettingsInput {
  /** Default `sequential`. */
  readonly taskExecutionMode?: TaskExecutionMode
  /** For a whole occurrence, from its claim. Default 1 h. */
  readonly executionTimeout?: DurationInput
  /**
   * Default `skip` for a job with a schedule. A job without one runs every request: default `allow`, or `queue` if
   * `maxConcurrency` or `startRate` bounds its runs.
   */
  readonly overlapPolicy?: OverlapPolicy
  /**
   * Under `queue`: how many occurrences may wait. A request beyond that is refused with `QUEUE_FULL`, a slot is skipped.
   * Default 100,000, or the storage's limit if that is lower (DynamoDB: 10,000).
   */
  readonly maxQueued?: number
  /**
   * How many runs of the job may be active at once, on all nodes together; 1 to 1,000. What is due beyond that is queued or
   * skipped, as the overlap policy says, which is `skip`, `queue` or `queue_one`. Default 1; under `allow` any number. A run
   * that waits for a retry is active: with 1, runs behind it wait until it ends.
   */
  readonly maxConcurrency?: number
  /**
   * How often runs of the job may start, on all nodes together. What is due beyond that waits for its time, in its order;
   * nothing is dropped for it. Under `skip`, `queue` and `queue_one`. Default `unlimited`.
   */
  readonly startRate?: StartRateInput | 'unlimited'
  /**
   * How urgent its runs are beside others that wait, of all jobs: a whole number from -10 to 10, **the higher goes first**.
   * Each level counts as an hour of waiting, so that whoever has waited long enough goes first in the end. Runs keep the
   * priority with which they were created. Default 0.
   */
  readonly priority?: number
  /** Default `execute_last`. */
  readonly recoveryStrategy?: RecoveryStrategyInput
  /**
   * A slot noticed later than this is missed. If several slots of the job came due while the storage failed, they are missed
   * too. Default 1 min.
   */
  readonly misfireThreshold?: DurationInput
  /** Default `retry`. */
  readonly onInterrupted?: InterruptionStrategy
  /**
   * Under `onInterrupted: 'retry'`: how often an occurrence is taken from an owner that is gone before it is failed. To be
   * handed back at a shutdown does not count. Default 3.
   */
  readonly maxRescues?: number
  /**
   * What becomes of runs on a node none of whose heartbeats was accepted for 80 % of `deadAfter`. `abort` fires their
   * signals, with `isolated` as the reason. Default `continue`.
   */
  readonly whileIsolated?: IsolationStrategy
  /**
   * For how long the history of the job is kept. The living nodes remove what is older, in small steps: within a day, or
   * within hours where `olderThan` is short. A job that is data alone and whose schedule is over goes with its history.
   * Default 30 d and the latest 10.
   */
  readonly retention?: RetentionInput
  /**
   * The job is silent when no run of it was `completed` for so long, whatever the reason. A living node says so: by the
   * event `job.silent`, an error in its log, and the gauge `scheduler_jobs_silent`. Counted from the last success, or from
   * when the job was stored, changed or resumed, if that was later; not while it is paused. At least 1 s. Default `never`.
   */
  readonly alertAfter?: DurationInput | 'never'
  /** Time zone of schedules that name none. Default `UTC`. */
  readonly timezone?: string
}

/** A retry policy, checked and in milliseconds, with its defaults filled in. */
export interface RetryPolicy {
  /** How many attempts may follow the first. */
  readonly maxRetries: number
  /** Before the first retry. */
  readonly retryIntervalMs: number
  /** By how much each further interval is longer. */
  readonly backoffFactor: number
  /** No interval is longer. */
  readonly maxIntervalMs: number
  /** The part of each interval that chance may take away, 0 to 1. */
  readonly jitter: number
}

/** A recovery strategy as it is stored: `null` for a bound that was not given. */
export type RecoveryStrategy =
  | { readonly type: 'execute_all' | 'execute_last' | 'mark_as_missed' | 'compressed' }
  | { readonly type: 'bounded_window'; readonly maxOccurrences: number | null; readonly maxAgeMs: number | null }

/** For how long history is kept; `null`: for ever. */
export interface Retention {
  /** Occurrences that were scheduled longer ago go. */
  readonly olderThanMs: number
  /** The latest so many stay all the same. */
  readonly keep: number
}

/** How much of what a handler logs is kept. */
export interface KeepLogs {
  /** The last so many lines of an attempt. */
  readonly lines: number
}

/** The effective settings of a task. */
export interface TaskSettings {
  /** What a failure means for the other tasks. */
  readonly failureStrategy: FailureStrategy
  /** `null`: no level has set one. */
  readonly retryPolicy: RetryPolicy | null
  /** The longest duration of one attempt, in ms. `null`: only `executionTimeoutMs` bounds it. */
  readonly taskTimeoutMs: number | null
  /** Of what its handler logs; `null`: nothing is kept. */
  readonly keepLogs: KeepLogs | null
}

/** At most so many starts in any stretch of time of a length: `{ limit: 10, interval: { minutes: 1 } }`. */
export interface StartRateInput {
  /** How many; 1 to 100. For more, divide both: 100 in 6 seconds instead of 1,000 in a minute. */
  readonly limit: number
  /** The length; 1 ms to 366 days. */
  readonly interval: DurationInput
}

/** The effective settings of a job. */
export interface JobSettings extends TaskSettings {
  /** Whether tasks run one after another or at once. */
  readonly taskExecutionMode: TaskExecutionMode
  /** For a whole occurrence, from its claim. */
  readonly executionTimeoutMs: number
  /** What happens when an occurrence is due while an earlier one is active. */
  readonly overlapPolicy: OverlapPolicy
  /** Under `queue`: how many occurrences may wait. */
  readonly maxQueued: number
  /** How many may be active at once. */
  readonly maxConcurrency: number
  /** How often they may start; `null`: as often as they are due. */
  readonly startRate: StartRate | null
  /** How urgent its runs are, -10 to 10: the higher goes first. */
  readonly priority: number
  /** What becomes of missed slots. */
  readonly recoveryStrategy: RecoveryStrategy
  /** A slot noticed later than this is missed. */
  readonly misfireThresholdMs: number
  /** What becomes of an occurrence that was interrupted before its end. */
  readonly onInterrupted: InterruptionStrategy
  /** Under `onInterrupted: 'retry'`: how often it is taken from an owner that is gone. */
  readonly maxRescues: number
  /** What becomes of runs on a node that nobody hears. */
  readonly whileIsolated: IsolationStrategy
  /** For how long history is kept; `null`: for ever. */
  readonly retention: Retention | null
  /** Without a success for so long the job is silent; `null`: never. */
  readonly alertAfterMs: number | null
  /** IANA name: the zone of schedules that name none. */
  readonly timezone: string
}

/** What one level of the cascade overrides of a task's settings, checked and in milliseconds. This is what is stored. */
export type TaskOverrides = Partial<TaskSettings>

/** As {@link TaskOverrides}, of a job's settings. */
export type JobOverrides = Partial<JobSettings>

export const defaultSettings: JobSettings = Object.freeze<JobSettings>({
  taskExecutionMode: 'sequential',
  failureStrategy: 'fail_fast',
  retryPolicy: null,
  executionTimeoutMs: 3_600_000,
  taskTimeoutMs: null,
  keepLogs: null,
  overlapPolicy: 'skip',
  maxQueued: 100_000,
  maxConcurrency: 1,
  startRate: null,
  priority: 0,
  recoveryStrategy: { type: 'execute_last' },
  misfireThresholdMs: 60_000,
  onInterrupted: 'retry',
  maxRescues: 3,
  whileIsolated: 'continue',
  retention: { olderThanMs: 30 * 86_400_000, keep: 10 },
  alertAfterMs: null,
  timezone: 'UTC',
})
