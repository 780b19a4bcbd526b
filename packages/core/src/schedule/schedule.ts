import type { JsonObject } from '../json.ts'

/**
 * An instant in any form that {@link Schedule} accepts: a `Date`, epoch milliseconds, an ISO 8601 string or a luxon `DateTime`.
 */
export type InstantInput = Date | number | string | { toMillis(): number }

/**
 * A schedule as plain data, which storages keep and other nodes revive. `type` names the {@link ScheduleType} that
 * revives it.
 */
export type SerializedSchedule = JsonObject & { readonly type: string }

/** The window in which a schedule is active, in epoch milliseconds. Both ends belong to the window. */
export interface ScheduleWindow {
  /** First millisecond in which the schedule can have an instant; `-Infinity` if the schedule has no start. */
  readonly startMs: number
  /** Last millisecond in which the schedule can have an instant; `Infinity` if the schedule has no end. */
  readonly endMs: number
}

/**
 * A series of instants: a pure, immutable value. The result of a method depends only on the schedule and the argument.
 * Wherever a caller begins, the schedule returns the same instants, in strictly increasing order.
 *
 * The schedules of Jobistemer reject an invalid argument with `INVALID_INSTANT`.
 */
export interface Schedule {
  /** The type that revives this schedule from its serialized form on another node. */
  readonly type: ScheduleType
  /** The window of the schedule: no instant lies outside. Absent: the schedule is always active. */
  readonly window?: ScheduleWindow
  /** Returns the first instant strictly after `after`, or `null` if the schedule has none. */
  next(after: InstantInput): Date | null
  /** Returns the last instant strictly before `before`, or `null` if the schedule has none. */
  previous(before: InstantInput): Date | null
  /** Returns every instant in `[from, to)`, lazily and in order. */
  between(from: InstantInput, to: InstantInput): IterableIterator<Date>
  /** Describes the schedule in words, for people: `at 02:00, Europe/Berlin`. */
  describe(): string
  /** Returns the schedule as plain data. `type.revive(schedule.toJSON())` is equal to the schedule. */
  toJSON(): SerializedSchedule
  /**
   * Returns the instant of {@link next} in epoch milliseconds, without the allocation of a `Date`; `null`: no later instant.
   */
  nextMs(afterMs: number): number | null
  /** Returns the same instant as {@link previous}, in epoch milliseconds. */
  previousMs(beforeMs: number): number | null
}

/** A kind of schedule: the name in its serialized form, and how to revive a schedule of this kind. */
export interface ScheduleType {
  /** The name that `SerializedSchedule.type` holds. One name must mean one type on every node. */
  readonly name: string
  /**
   * Makes the schedule from its serialized form.
   * @throws JobistemerError `INVALID_SCHEDULE` if the data do not describe a schedule of this type.
   */
  revive(serialized: SerializedSchedule): Schedule
}

/**
 * The data of a job that `bind` uses to complete the job's schedule. For example, `H` in a cron expression stands for a number
 * that derives from the job's name. So two jobs with the same expression can come due at different instants.
 */
export interface ScheduleContext {
  /** The name of the job, 1 to 255 characters. */
  readonly jobName: string
  /** Time zone for a schedule that names no zone. */
  readonly timezone?: string
}

/** A schedule that is complete only with the name of its job. `defineJob` binds the schedule to the job. */
export interface UnboundSchedule extends Schedule {
  /**
   * Returns the schedule, completed with the data of its job. If the schedule names a time zone, `bind` ignores the time zone
   * of the context.
   * @throws JobistemerError `INVALID_TIMEZONE`; `SCHEDULE_NEVER_FIRES` if the schedule can never fire in this context
   */
  bind(context: ScheduleContext): Schedule
}
