export type { Clock, Timer } from './clock.ts'
export { type ErrorCode, JobistemerError, type JobistemerErrorOptions, printValue } from './errors.ts'
export {
  type AttemptId,
  attemptId,
  type JobId,
  jobId,
  missedRangeId,
  type OccurrenceId,
  occurrenceId,
  type TaskId,
  type TaskRunId,
  taskId,
  taskRunId,
} from './ids.ts'
export { toInstantMs, toInstantText } from './instant.ts'
export type { Jsonify, JsonObject, JsonValue } from './json.ts'
export type { InstantInput, Schedule, ScheduleType, ScheduleWindow, SerializedSchedule } from './schedule/schedule.ts'
export type * from './configuration/settings.ts'
export { type DurationBounds, type DurationInput, type DurationParts, toDurationMs } from './duration.ts'
export { diffSchedules, type ScheduleDifference } from './diff-schedules.ts'
export type {
  BackfillOptions,
  BackfillResult,
  StopBackfillOptions,
  StopBackfillResult,
} from './engine/api/backfills.ts'
export type {
  DefinitionPlan,
  JobUpdate,
  PlannedChange,
  PlanOptions,
  Realignment,
  RemoveOptions,
  UpdateOptions,
  UpdateResult,
} from './engine/api/definitions.ts'
export type { CallOptions } from './engine/storage-access/caller-context.ts'
export type { Change, ChangesOptions } from './engine/api/changes.ts'
export type { Explanation, NearestSlots } from './engine/api/explain.ts'
export type {
  CancelOptions,
  CancelResult,
  InterventionOptions,
  JobSelection,
  PauseOptions,
} from './engine/api/interventions.ts'
export type { ChangedPart } from './job/changed-parts.ts'
export type { JobVersion, VersionsOptions } from './engine/api/job-catalog.ts'
export type { WaitOptions } from './engine/api/waits.ts'
export { type JobCode, type NodeCapabilities, readNodeCapabilities } from './engine/cluster/node-code.ts'
export type { NodeDeath } from './engine/cluster/peers.ts'
export type { NodeInfo } from './engine/cluster/node-info.ts'
export type {
  KeyScope,
  ReplayOptions,
  RequestOptions,
  RunOverrides,
  TriggerArguments,
  TriggerItem,
  TransactionOptions,
  TriggerManyOptions,
  TriggerManyResult,
  TriggerOptions,
  SkipReason,
  TriggerResult,
  TypedTriggerOptions,
} from './engine/api/request-options.ts'
export { NonRetryableError } from './non-retryable-error.ts'
export type { ShutdownSignal } from './engine/api/process-signals.ts'
export type { UpdatePolicy } from './engine/definitions/timeline.ts'
export type {
  AttemptEvent,
  NodeEvent,
  JobEvent,
  OccurrenceEvent,
  SchedulerEventName,
  SchedulerEvents,
  SchedulerListener,
} from './events.ts'
export {
  type AnyTask,
  defineJob,
  type Job,
  type JobOptions,
  type JobTask,
  type PayloadInput,
  type TaskInput,
  type TaskList,
} from './job/define-job.ts'
export { isolatedHandler } from './job/isolated-work.ts'
export {
  type BackfillReference,
  type CoveredSpan,
  defineTask,
  type IsolatedResourceLimits,
  type IsolatedTaskContext,
  type Isolation,
  type IsolationOptions,
  type OccurrenceContext,
  type PreviousRun,
  type RunnableTask,
  type TaskContext,
  type TaskDefinition,
  type TaskHandler,
  type TaskReference,
} from './job/task.ts'
export { type Logger, silentLogger } from './logger.ts'
export type { CounterLabels, EventGaugeLabels, GaugeValues, HistogramLabels, Metrics } from './metrics/metrics.ts'
export { type OccurrenceReason, stateMeanings, type TaskReason, whyOf } from './occurrence-reason.ts'
export type { Listing, ListPage } from './listing.ts'
export type { Failure, ListedOccurrence, Occurrence } from './occurrence.ts'
export type { AttemptReport, ExecutionReport, LogLine, ProgressReport, TaskReport } from './report.ts'
export { createClient } from './create-client.ts'
export { createScheduler } from './create-scheduler.ts'
export type { Client, ClientOptions } from './create-client.ts'
export type { FailuresFilter, JobOperations, LiveFilter, OccurrenceFilter, PruneOptions } from './job-operations.ts'
export type { JobDetails, JobInfo, JobsFilter, JobTaskInfo, LastRun, PauseInfo } from './engine/api/job-catalog.ts'
export type { StartRate } from './storage/job-record.ts'
export type { LiveCounts } from './storage/storage.ts'
export type { RunDueOptions, RunDueReport } from './run-due.ts'
export type { Scheduler, ShutdownOptions } from './scheduler.ts'
export type { SchedulerOptions } from './scheduler-options.ts'
export type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.ts'
export { systemClock } from './system-clock.ts'
export type { TraceContext } from './storage/occurrence-record.ts'
export type * from './tracing/tracing.ts'
export { type Ticker, type TickerOptions, ticker } from './ticker.ts'
export type { Tick } from './ticker.ts'
