export { readTimezone } from '../configuration/read-timezone.ts'
export type {
  InstantInput,
  Schedule,
  ScheduleContext,
  ScheduleType,
  ScheduleWindow,
  SerializedSchedule,
  UnboundSchedule,
} from './schedule.ts'
export {
  isLocalTime,
  readScheduleOptions,
  readScheduleWindow,
  type ScheduleOptions,
  toZonedInstantMs,
  toZonedInstantText,
} from './schedule-options.ts'
export { registerScheduleType } from './schedule-options.ts'
export { openWindow, WindowedSchedule } from './windowed-schedule.ts'
