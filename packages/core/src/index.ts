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
export type { JsonObject, JsonValue } from './json.ts'
export type {
  InstantInput,
  Schedule,
  ScheduleContext,
  ScheduleType,
  ScheduleWindow,
  SerializedSchedule,
  UnboundSchedule,
} from './schedule.ts'
export type {
  FailureStrategy,
  JobSettings,
  JobSettingsInput,
  RecoveryStrategy,
  RecoveryStrategyInput,
  RetryPolicyInput,
  StaleStrategy,
  TaskExecutionMode,
  TaskSettingsInput,
} from './configuration/settings.ts'
export { type DurationInput, type DurationParts, toDurationMs } from './duration.ts'
export { diffSchedules, type ScheduleDifference } from './diff-schedules.ts'
export type {
  DefinitionPlan,
  JobUpdate,
  PlannedChange,
  UpdateOptions,
  UpdateResult,
} from './engine/operations/definitions.ts'
export type { Explanation } from './engine/operations/explain.ts'
export type { CancelOptions, CancelResult, InterventionOptions } from './engine/operations/interventions.ts'
export type { ReplayOptions, RunOverrides, TriggerOptions, TriggerResult } from './engine/operations/request-options.ts'
export type { UpdatePolicy } from './engine/jobs/update-policy.ts'
export type { SchedulerEventName, SchedulerEvents, SchedulerListener } from './events.ts'
export { defineJob, type Job, type JobOptions } from './job/define-job.ts'
export {
  type CoveredSpan,
  defineTask,
  type OccurrenceContext,
  type PreviousRun,
  type RunnableTask,
  type TaskContext,
  type TaskDefinition,
  type TaskHandler,
} from './job/task.ts'
export { type Logger, silentLogger } from './logger.ts'
export type { CounterLabels, GaugeValues, HistogramLabels, Metrics } from './metrics/metrics.ts'
export type { Occurrence } from './occurrence.ts'
export type { AttemptReport, ExecutionReport, TaskReport } from './report.ts'
export { createScheduler } from './create-scheduler.ts'
export type { OccurrenceFilter, PruneOptions, Scheduler, ShutdownOptions } from './scheduler.ts'
export type { SchedulerOptions } from './scheduler-options.ts'
export { systemClock } from './system-clock.ts'
export { readTimezone } from './configuration/read-settings.ts'
export {
  isLocalTime,
  readScheduleOptions,
  readScheduleWindow,
  type ScheduleOptions,
  toZonedInstantMs,
  toZonedInstantText,
} from './ticker/schedule-options.ts'
export { openWindow, WindowedSchedule } from './ticker/windowed-schedule.ts'
export { type Ticker, type TickerOptions, ticker } from './ticker.ts'
export type { Tick } from './ticker/tick-stream.ts'
