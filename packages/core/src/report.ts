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
  /** The id of the finished occurrence, and its kind: a slot, a trigger or a replay. */
  readonly occurrence: { readonly id: OccurrenceId; readonly kind: OccurrenceKind }
  /** The instant that the run worked for, as `context.scheduledAt`. */
  readonly scheduledAt: Date
  /** When the last owner claimed the occurrence. */
  readonly startedAt: Date
  readonly finishedAt: Date
  /** Milliseconds from the start of the occurrence to its end. */
  readonly durationMs: number
  /** The final state of the occurrence. */
  readonly outcome: FinalState
  /** Why the occurrence has this outcome; `null` if the outcome is self-explanatory. */
  readonly reason: OccurrenceReason | null
  /** The job's `taskExecutionMode` that applied to this occurrence. */
  readonly taskExecutionMode: TaskExecutionMode
  /** The job's `failureStrategy` that applied to this occurrence. */
  readonly failureStrategy: FailureStrategy
  /** True if the recovery of missed slots created the occurrence. */
  readonly recovered: boolean
  /** The backfill of this run; `null` if the run belongs to no backfill. */
  readonly backfill: BackfillReference | null
  /** All tasks of the job, in the job's order. Tasks that never started are `canceled`, with the reason. */
  readonly tasks: readonly TaskReport[]
}

/** The report of one task of an occurrence. */
export interface TaskReport {
  readonly id: TaskId
  /** The id of the task run: this task inside this occurrence. */
  readonly runId: TaskRunId
  readonly name: string
  readonly state: TaskRunState
  readonly reason: TaskReason | null
  /** Milliseconds from the start of the first attempt to the end of the last attempt; `null` if the task never started. */
  readonly durationMs: number | null
  /** The result of the task's handler after its JSON round trip; `undefined` unless the task completed. */
  readonly result: JsonValue | undefined
  /** The error of the last attempt; `null` without an error. */
  readonly error: ErrorRecord | null
  /** The progress that the last attempt reported; `null` without a report. */
  readonly progress: ProgressReport | null
  /**
   * The attempts of the task by all owners of the occurrence. Of more than twenty attempts, the storage keeps the first five
   * and the last fifteen.
   */
  readonly attempts: readonly AttemptReport[]
  /** Number of attempts of the task by all owners of the occurrence. */
  readonly attemptCount: number
}

/** The report of one attempt; `number` counts from 1. */
export interface AttemptReport {
  readonly id: AttemptId
  readonly number: number
  readonly state: AttemptState
  /**
   * When the owner called the attempt's handler. For an attempt that waits for its retry interval: when the owner will call the
   * handler. Equal to `endedAt` if the attempt ended while it waited.
   */
  readonly startedAt: Date
  /** When the attempt ended; `null` while it runs or waits. */
  readonly endedAt: Date | null
  /** Milliseconds from the start of the attempt to its end; `null` while it runs or waits. */
  readonly durationMs: number | null
  /** The error of the attempt's handler; `null` without an error. */
  readonly error: ErrorRecord | null
  readonly reason: TaskReason | null
  /** The latest progress that the attempt's handler reported; `null` without a report. */
  readonly progress: ProgressReport | null
  /** With `keepLogs`: the last lines that the attempt's handler logged, within the size limits. Otherwise empty. */
  readonly logs: readonly LogLine[]
  /** Number of earlier lines of the attempt that the node left out, because of the size limits. */
  readonly droppedLogs: number
}

/** The progress of an attempt, as its handler last reported it. */
export interface ProgressReport {
  /** How much of the work is done, from 0 to 1. */
  readonly fraction: number
  /** The message of the handler, cut after 200 characters; `null` without a message. */
  readonly message: string | null
  /** When the handler reported the progress. */
  readonly at: Date
}

/** A line that a handler has logged. */
export interface LogLine {
  /** When the handler logged the line. */
  readonly at: Date
  /** The level at which the handler logged the line. */
  readonly level: LogLevel
  readonly message: string
  /** The fields that the handler logged, made printable; `null` without fields. */
  readonly fields: JsonObject | null
  /** True if the line was cut because it was longer than 1,000 characters. */
  readonly isCut: boolean
}
