import type { JsonObject } from '../json.ts'

/** What {@link Schedule} takes as an instant: a `Date`, epoch milliseconds, an ISO 8601 string or a luxon `DateTime`. */
export type InstantInput = Date | number | string | { toMillis(): number }

/**
 * A schedule as plain data, which storages keep and other nodes revive. `type` names the {@link ScheduleType} that
 * revives it.
 */
export type SerializedSchedule = JsonObject & { readonly type: string }

/** The window in which a schedule is active, both ends included. Epoch milliseconds. */
export interface ScheduleWindow {
  /** `-Infinity` when the schedule has no start. */
  readonly startMs: number
  /** `Infinity` when the schedule has no end. */
  readonly endMs: number
}

/**
 * A series of instants: a pure, immutable value. Its methods depend only on the schedule and the argument: from any
 * start, they return the same instants, strictly increasing.
 *
 * The schedules of Jobistemer reject an invalid argument with `INVALID_INSTANT`.
 */
export interface Schedule {
  /** The type that revives this schedule from its serialized form on another node. */
  readonly type: ScheduleType
  /** The window of the schedule: no instant lies outside. A live ticker's `isActive` uses it. Absent: always active. */
  readonly window?: ScheduleWindow
  /** The first instant strictly after `after`, or `null` if the schedule has none. */
  next(after: InstantInput): Date | null
  /** The last instant strictly before `before`, or `null` if the schedule has none. */
  previous(before: InstantInput): Date | null
  /** Every instant in `[from, to)`, lazily and in order. */
  between(from: InstantInput, to: InstantInput): IterableIterator<Date>
  /** In words, for people: `at 02:00, Europe/Berlin`. */
  describe(): string
  /** The schedule as plain data. `type.revive(schedule.toJSON())` is equal to the schedule. */
  toJSON(): SerializedSchedule
  /**
   * The same as {@link next} in epoch milliseconds, without the allocation of a `Date`: what the engine calls.
   * `null` when there is none.
   */
  nextMs(afterMs: number): number | null
  /** The same as {@link previous} in epoch milliseconds. */
  previousMs(beforeMs: number): number | null
}

/** A kind of schedule: its name in serialised form, and how to revive one. */
export interface ScheduleType {
  /** What `SerializedSchedule.type` says. One name is one type on every node. */
  readonly name: string
  /**
   * Makes the schedule that was serialised.
   * @throws JobistemerError `INVALID_SCHEDULE` when the data is not of this type.
   */
  revive(serialized: SerializedSchedule): Schedule
}

/** What a schedule may derive from the job that it belongs to: `H` in a cron expression spreads by the job's name. */
export interface ScheduleContext {
  /** The name of the job, 1 to 255 characters. */
  readonly jobName: string
  /** Zone for a schedule that names none. */
  readonly timezone?: string
}

/** A schedule that is complete only once the job's name is known. `defineJob` binds it. */
export interface UnboundSchedule extends Schedule {
  /**
   * The complete schedule. What the schedule names itself goes before the context.
   * @throws JobistemerError `INVALID_TIMEZONE`, or `SCHEDULE_NEVER_FIRES` when it can never fire in this context
   */
  bind(context: ScheduleContext): Schedule
}
