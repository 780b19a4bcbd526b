export { type Clock, type Timer } from './clock.ts'
export { type ErrorCode, JobistemerError, type JobistemerErrorOptions, printValue } from './errors.ts'
export {
  type AttemptId,
  attemptId,
  type JobId,
  jobId,
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
  SerializedSchedule,
  UnboundSchedule,
} from './schedule.ts'
