import type { FailureStrategy, TaskExecutionMode } from './configuration/settings.ts'
import type { AttemptId, JobId, OccurrenceId, TaskId, TaskRunId } from './ids.ts'
import type { BackfillReference } from './job/task.ts'
import type { JsonObject, JsonValue } from './json.ts'
import type { OccurrenceReason, TaskReason } from './occurrence-reason.ts'
import type {
  AttemptState,
  ErrorRecord,
  FinalState,
  LogLevel,
  OccurrenceKind,
  TaskRunState,
} from './storage/occurrence-record.ts'

/** The report of a finished occurrence, which `onComplete` receives. */
export interface ExecutionReport {
  /** The job, in the version that the occurrence ran under. */
  readonly job: { readonly id: JobId; readonly name: string; readonly version: number }
  /** The occurrence, and how it came to be. */
  readonly occurrence: { readonly id: OccurrenceId; readonly kind: OccurrenceKind }
  /** The instant that the run worked for, as `context.scheduledAt`. */
  readonly scheduledAt: Date
  /** When its last owner claimed it. */
  readonly startedAt: Date
  readonly finishedAt: Date
  /** From its start to its end. */
  readonly durationMs: number
  /** How it ended. */
  readonly outcome: FinalState
  /** Why, if the outcome alone does not tell. */
  readonly reason: OccurrenceReason | null
  /** As it was in force for this occurrence. */
  readonly taskExecutionMode: TaskExecutionMode
  /** As it was in force for this occurrence. */
  readonly failureStrategy: FailureStrategy
  /** True when recovery of missed slots created it. */
  readonly recovered: boolean
  /** The backfill of this run; otherwise `null`. */
  readonly backfill: BackfillReference | null
  /** In the job's order; tasks that never started are `canceled` with the reason. */
  readonly tasks: readonly TaskReport[]
}

/** The report of one task of an occurrence. */
export interface TaskReport {
  readonly id: TaskId
  /** The task inside this occurrence. */
  readonly runId: TaskRunId
  readonly name: string
  readonly state: TaskRunState
  readonly reason: TaskReason | null
  /** From the start of the first attempt to the end of the last; `null` if the task never started. */
  readonly durationMs: number | null
  /** The result of its handler after its JSON round trip; `undefined` unless the task completed. */
  readonly result: JsonValue | undefined
  /** Of the last attempt. */
  readonly error: ErrorRecord | null
  /** Of the last attempt. */
  readonly progress: ProgressReport | null
  /** The attempts, across owners. Of more than twenty, the storage keeps the first five and the last fifteen. */
  readonly attempts: readonly AttemptReport[]
  /** Number of attempts. */
  readonly attemptCount: number
}

/** The report of one attempt; `number` counts from 1. */
export interface AttemptReport {
  readonly id: AttemptId
  readonly number: number
  readonly state: AttemptState
  /**
   * When the owner called its handler; for an attempt that waits for its retry interval, when it will call it. Equal to
   * `endedAt` if the attempt ended while it waited.
   */
  readonly startedAt: Date
  /** `null` while it runs or waits. */
  readonly endedAt: Date | null
  /** From its start to its end; `null` while it runs or waits. */
  readonly durationMs: number | null
  /** The error of its handler; `null` without one. */
  readonly error: ErrorRecord | null
  readonly reason: TaskReason | null
  /** The latest progress that its handler reported; `null` without one. */
  readonly progress: ProgressReport | null
  /** With `keepLogs`: the last lines that its handler logged, within the size limits. */
  readonly logs: readonly LogLine[]
  /** Number of dropped earlier lines. */
  readonly droppedLogs: number
}

/** The progress of an attempt. */
export interface ProgressReport {
  /** 0 to 1. */
  readonly fraction: number
  /** The message of the handler; `null` without one. */
  readonly message: string | null
  /** When the handler reported it. */
  readonly at: Date
}

/** A line that a handler has logged. */
export interface LogLine {
  /** When it was logged. */
  readonly at: Date
  /** The level that the handler chose. */
  readonly level: LogLevel
  readonly message: string
  /** The fields of the handler, made printable; `null` without fields. */
  readonly fields: JsonObject | null
  /** True if the line was longer than 1,000 characters and is cut. */
  readonly isCut: boolean
}
