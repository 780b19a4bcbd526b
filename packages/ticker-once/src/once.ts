import { JobistemerError, printValue } from '@jobistemer/core'
import {
  type InstantInput,
  isLocalTime,
  readScheduleOptions,
  readTimezone,
  registerScheduleType,
  type ScheduleContext,
  type ScheduleType,
  type SerializedSchedule,
  toZonedInstantMs,
  toZonedInstantText,
  type UnboundSchedule,
  WindowedSchedule,
} from '@jobistemer/core/schedule'

/** The options of {@link once}. */
export interface OnceOptions {
  /**
   * IANA time zone of an instant without an offset. Default: the `timezone` of the schedule's job, else of the
   * scheduler's `defaults`, else `UTC`.
   */
  readonly timezone?: string
}

const defaultTimezone = 'UTC'

/** The data of a one-instant schedule: its stored form without the type. */
interface OnceSource {
  /** An instant in UTC, or a local time, as text. */
  readonly at: string
  readonly timezone?: string
}

/** A schedule of a single instant. Make one with {@link once}. */
export class OnceSchedule extends WindowedSchedule {
  protected readonly source: OnceSource
  readonly #atMs: number

  constructor(source: OnceSource) {
    super()
    this.source = source
    this.#atMs = toZonedInstantMs(source.at, source.timezone ?? defaultTimezone, 'at')
  }

  get type(): ScheduleType {
    return onceType
  }

  /** The instant at which the schedule fires. */
  get at(): Date {
    return new Date(this.#atMs)
  }

  describe(): string {
    const { at, timezone } = this.source
    return isLocalTime(at) ? `once at ${at}, ${timezone ?? defaultTimezone}` : `once at ${at}`
  }

  toJSON(): SerializedSchedule {
    return { type: onceType.name, ...this.source }
  }

  protected nextAfter(afterMs: number): number | null {
    return afterMs < this.#atMs ? this.#atMs : null
  }

  protected previousBefore(beforeMs: number): number | null {
    return beforeMs > this.#atMs ? this.#atMs : null
  }
}

/** A schedule of one local time, in the time zone of its job. Before it is bound to a job, its time zone is `UTC`. */
export class UnboundOnceSchedule extends OnceSchedule implements UnboundSchedule {
  /** @throws JobistemerError `INVALID_TIMEZONE` */
  bind({ timezone = defaultTimezone }: ScheduleContext): OnceSchedule {
    return onceScheduleOf({ ...this.source, timezone })
  }
}

/**
 * Makes a schedule that fires once. After its run, the job is finished.
 *
 * A string without an offset is a local time. If the clock skips this local time, the instant shifts forward by the
 * length of the gap. If the clock shows it twice, the first instant applies.
 *
 * @example
 * once('2026-03-29T01:30:00Z').next('2026-01-01T00:00:00Z') // => 2026-03-29T01:30:00.000Z
 * once('2026-06-01T09:00', { timezone: 'Asia/Tokyo' }).at // => 2026-06-01T00:00:00.000Z
 *
 * @throws JobistemerError `INVALID_INSTANT`, `INVALID_TIMEZONE`, `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function once(at: InstantInput, options: OnceOptions = {}): OnceSchedule | UnboundOnceSchedule {
  const { timezone } = readScheduleOptions(options, ['timezone'])
  return onceScheduleOf({
    at: toZonedInstantText(at, 'at'),
    ...(timezone === undefined ? undefined : { timezone }),
  })
}

/**
 * The type of one-instant schedules. Rebuilds stored schedules. Importing this module registers the type; a scheduler imports
 * the module if a stored job needs it.
 */
export const onceType: ScheduleType = {
  name: 'once',
  revive(serialized) {
    const { type, at, timezone, ...rest } = serialized
    const isRight =
      type === onceType.name &&
      typeof at === 'string' &&
      (timezone === undefined || typeof timezone === 'string') &&
      Object.keys(rest).length === 0
    if (isRight) return once(at, timezone === undefined ? {} : { timezone })
    throw new JobistemerError('INVALID_SCHEDULE', {
      message: `This is not a serialised one-instant schedule: ${printValue(serialized)}.`,
      field: Object.keys(rest)[0] ?? (type === onceType.name ? 'at' : 'type'),
      value: serialized,
      remedy: 'Give what toJSON() of such a schedule returned; another version of the package may have written it.',
    })
  },
}

registerScheduleType(onceType)

function onceScheduleOf(source: OnceSource): OnceSchedule | UnboundOnceSchedule {
  if (source.timezone !== undefined) readTimezone(source.timezone, 'timezone')
  return isLocalTime(source.at) && source.timezone === undefined
    ? new UnboundOnceSchedule(source)
    : new OnceSchedule(source)
}
