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
  /** Why, where the outcome alone does not say. */
  readonly reason: OccurrenceReason | null
  /** As it was in force for this occurrence. */
  readonly taskExecutionMode: TaskExecutionMode
  /** As it was in force for this occurrence. */
  readonly failureStrategy: FailureStrategy
  /** True when recovery of missed slots created it. */
  readonly recovered: boolean
  /** The backfill that it was a run of; `null` for others. */
  readonly backfill: BackfillReference | null
  /** In the job's order; tasks that never started are `canceled` with the reason. */
  readonly tasks: readonly TaskReport[]
}

/** What became of one task of an occurrence. */
export interface TaskReport {
  readonly id: TaskId
  /** The task inside this occurrence. */
  readonly runId: TaskRunId
  readonly name: string
  readonly state: TaskRunState
  readonly reason: TaskReason | null
  /** From the start of the first attempt to the end of the last; `null` when it never started. */
  readonly durationMs: number | null
  /** What its handler returned, as JSON keeps it; `undefined` unless it completed. */
  readonly result: JsonValue | undefined
  /** Of the last attempt. */
  readonly error: ErrorRecord | null
  /** Of the last attempt. */
  readonly progress: ProgressReport | null
  /** The tries, across owners. Of more than twenty the first five and the last fifteen are kept. */
  readonly attempts: readonly AttemptReport[]
  /** How many tries there were. */
  readonly attemptCount: number
}

/** What became of one try of a task; `number` counts from 1. */
export interface AttemptReport {
  readonly id: AttemptId
  readonly number: number
  readonly state: AttemptState
  /**
   * When its handler was called; of one that waits for its retry interval, when it will be. The same as `endedAt` where it
   * ended while it waited.
   */
  readonly startedAt: Date
  /** `null` while it runs or waits. */
  readonly endedAt: Date | null
  /** From its start to its end; `null` while it runs or waits. */
  readonly durationMs: number | null
  /** What its handler threw; `null` when it threw nothing. */
  readonly error: ErrorRecord | null
  readonly reason: TaskReason | null
  /** How far it has come, as its handler has said last; `null` when it has not. */
  readonly progress: ProgressReport | null
  /** With `keepLogs`: the last lines that its handler has logged, as far as there was room for them. */
  readonly logs: readonly LogLine[]
  /** How many lines came before these, and are not kept. */
  readonly droppedLogs: number
}

/** How far an attempt has come. */
export interface ProgressReport {
  /** 0 to 1. */
  readonly fraction: number
  /** What it was at; `null` when its handler gave no text. */
  readonly message: string | null
  /** When its handler said so. */
  readonly at: Date
}

/** A line that a handler has logged. */
export interface LogLine {
  /** When it was logged. */
  readonly at: Date
  /** How much it matters, as its handler has said. */
  readonly level: LogLevel
  readonly message: string
  /** The fields that the handler gave, made printable; `null` when it gave none. */
  readonly fields: JsonObject | null
  /** It was longer than 1,000 characters, and is not whole. */
  readonly isCut: boolean
}
