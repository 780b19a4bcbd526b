import { JobistemerError, printValue, toInstantText } from '@jobistemer/core'
import {
  readScheduleWindow,
  readTimezone,
  registerScheduleType,
  type ScheduleContext,
  type ScheduleType,
  type SerializedSchedule,
  type UnboundSchedule,
  WindowedSchedule,
} from '@jobistemer/core/schedule'
import { parseInterval } from './parse-interval.ts'
import { describePeriod } from './period.ts'
import type { PeriodSeries } from './period-series.ts'
import { readInterval } from './read-interval.ts'

/** The data of an interval schedule: its stored form without the type. */
export interface Iso8601Source {
  readonly interval: string
  readonly timezone?: string
  readonly start?: string
  readonly end?: string
}

const sourceNames = ['type', 'interval', 'timezone', 'start', 'end']
const defaultTimezone = 'UTC'

/** A schedule of an ISO 8601 repeating interval. Make one with `iso8601()`. */
export class Iso8601Schedule extends WindowedSchedule {
  protected readonly source: Iso8601Source
  readonly #series: PeriodSeries

  constructor(source: Iso8601Source) {
    const timezone = source.timezone ?? defaultTimezone
    super(readScheduleWindow(source, timezone))
    this.source = source
    this.#series = parseInterval(source.interval, timezone, source.start).series
  }

  get type(): ScheduleType {
    return iso8601Type
  }

  /** The interval text, unchanged. */
  get interval(): string {
    return this.source.interval
  }

  /** The time zone of the interval's local times. */
  get timezone(): string {
    return this.source.timezone ?? defaultTimezone
  }

  describe(): string {
    const { interval, start } = this.source
    const { period, repetitions, anchorText, isBackward } = parseInterval(interval, this.timezone, start)
    const { startMs, endMs } = this.window
    const parts = [`every ${describePeriod(period)} ${isBackward ? 'up to' : 'from'} ${anchorText}`]
    if (repetitions !== null) parts.push(repetitions === 1 ? 'once' : `${repetitions} times`)
    parts.push(this.timezone)
    if (Number.isFinite(startMs) && anchorText !== start) parts.push(`not before ${toInstantText(startMs)}`)
    if (Number.isFinite(endMs)) parts.push(`until ${toInstantText(endMs)}`)
    return parts.join(', ')
  }

  toJSON(): SerializedSchedule {
    return { type: iso8601Type.name, ...this.source }
  }

  protected nextAfter(afterMs: number): number | null {
    return this.#series.nextMs(afterMs)
  }

  protected previousBefore(beforeMs: number): number | null {
    return this.#series.previousMs(beforeMs)
  }
}

/**
 * An interval schedule that receives its time zone from its job. Before it is bound to a job, its time zone is `UTC`.
 */
export class UnboundIso8601Schedule extends Iso8601Schedule implements UnboundSchedule {
  /**
   * Returns the schedule with the time zone of the job.
   * @throws JobistemerError `INVALID_TIMEZONE`, `SCHEDULE_NEVER_FIRES`
   */
  bind({ timezone = defaultTimezone }: ScheduleContext): Iso8601Schedule {
    const { interval, ...rest } = this.source
    return iso8601ScheduleOf({ interval, timezone, ...rest })
  }
}

/**
 * The type of interval schedules. Rebuilds stored schedules. Importing this module registers the type; a scheduler imports the
 * module if a stored job needs it.
 */
export const iso8601Type: ScheduleType = {
  name: 'iso8601',
  revive(serialized) {
    const { type, ...source } = serialized
    const unknown = Object.keys(serialized).find((name) => !sourceNames.includes(name))
    const isRight = Object.values(source).every((value) => typeof value === 'string') && 'interval' in source
    if (type === iso8601Type.name && unknown === undefined && isRight) {
      readInterval(source.interval)
      return iso8601ScheduleOf(source as unknown as Iso8601Source)
    }
    throw new JobistemerError('INVALID_SCHEDULE', {
      message: `This is not a serialised interval schedule: ${printValue(serialized)}.`,
      field: unknown ?? (type === iso8601Type.name ? 'interval' : 'type'),
      value: serialized,
      remedy: 'Give what toJSON() of such a schedule returned; another version of the package may have written it.',
    })
  },
}

registerScheduleType(iso8601Type)

/**
 * Returns the schedule of a source.
 * @throws JobistemerError if the source is invalid, or if its schedule never fires
 */
export function iso8601ScheduleOf(source: Iso8601Source): Iso8601Schedule | UnboundIso8601Schedule {
  const { timezone } = source
  if (timezone !== undefined) readTimezone(timezone, 'timezone')
  const schedule = timezone === undefined ? new UnboundIso8601Schedule(source) : new Iso8601Schedule(source)
  if (schedule.nextMs(Number.NEGATIVE_INFINITY) !== null) return schedule
  throw new JobistemerError('SCHEDULE_NEVER_FIRES', {
    message: `The interval ${printValue(source.interval)} has no instant between start and end.`,
    field: 'interval',
    value: source.interval,
    remedy: 'Widen start and end, or move the start of the interval.',
  })
}
