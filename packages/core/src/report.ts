import type { FailureStrategy, TaskExecutionMode } from './configuration/settings.ts'
import type { AttemptId, JobId, OccurrenceId, TaskId, TaskRunId } from './ids.ts'
import type { JsonValue } from './json.ts'
import type {
  AttemptState,
  ErrorRecord,
  FinalState,
  OccurrenceKind,
  TaskRunState,
} from './storage/occurrence-record.ts'

/** What became of one occurrence: handed to `onComplete`. */
export interface ExecutionReport {
  readonly job: { readonly id: JobId; readonly name: string; readonly version: number }
  readonly occurrence: { readonly id: OccurrenceId; readonly kind: OccurrenceKind }
  readonly scheduledAt: Date
  readonly startedAt: Date
  readonly finishedAt: Date
  readonly durationMs: number
  readonly outcome: FinalState
  /** Why, where the outcome alone does not say: `fail_fast`, `canceled`, `execution_timeout`. */
  readonly reason: string | null
  readonly taskExecutionMode: TaskExecutionMode
  readonly failureStrategy: FailureStrategy
  readonly recovered: boolean
  /** In the job's order; tasks that never started are `canceled` with the reason. */
  readonly tasks: readonly TaskReport[]
}

/** What became of one task of an occurrence. */
export interface TaskReport {
  readonly id: TaskId
  readonly runId: TaskRunId
  readonly name: string
  readonly state: TaskRunState
  readonly reason: string | null
  /** From the start of the first attempt to the end of the last; `null` when it never started. */
  readonly durationMs: number | null
  readonly result: JsonValue | undefined
  /** Of the last attempt. */
  readonly error: ErrorRecord | null
  readonly attempts: readonly AttemptReport[]
}

/** What became of one try of a task; `number` counts from 1. */
export interface AttemptReport {
  readonly id: AttemptId
  readonly number: number
  readonly state: AttemptState
  readonly startedAt: Date
  readonly endedAt: Date | null
  readonly durationMs: number | null
  readonly error: ErrorRecord | null
  readonly reason: string | null
}
