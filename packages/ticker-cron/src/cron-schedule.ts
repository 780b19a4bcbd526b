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
import type { CronKernel } from './cron-kernel.ts'
import { offsetChangeRules } from './cron-options.ts'
import { type CronSource, readSerializedCron } from './cron-source.ts'
import { describeFields } from './describe.ts'
import { kernelOf } from './kernels.ts'
import { type ParsedExpression, parseExpression } from './parse-expression.ts'
import { WeakCache } from './weak-cache.ts'

const defaultTimezone = 'UTC'

/** A schedule of a cron expression in a time zone. Make one with `cron()`. */
export class CronSchedule extends WindowedSchedule {
  readonly #source: CronSource
  readonly #kernel: CronKernel

  constructor(source: CronSource, parsed: ParsedExpression) {
    const timezone = source.timezone ?? defaultTimezone
    super(readScheduleWindow(source, timezone))
    this.#source = source
    this.#kernel = kernelOf(parsed.fields, timezone, offsetChangeRules(source.dst, parsed.followsElapsedTime))
  }

  get type(): ScheduleType {
    return cronType
  }

  /** The cron expression, with single spaces between fields. */
  get expression(): string {
    return this.#source.expression
  }

  /** The time zone of the expression's local times. */
  get timezone(): string {
    return this.#source.timezone ?? defaultTimezone
  }

  /** `true` if no year has a day that matches the expression. */
  get isEmpty(): boolean {
    return this.#kernel.isEmpty
  }

  describe(): string {
    const { startMs, endMs } = this.window
    const parts = [this.describeTimes(), this.timezone]
    if (Number.isFinite(startMs)) parts.push(`from ${toInstantText(startMs)}`)
    if (Number.isFinite(endMs)) parts.push(`until ${toInstantText(endMs)}`)
    return parts.join(', ')
  }

  toJSON(): SerializedSchedule {
    const { dst, ...rest } = this.#source
    return { type: cronType.name, ...rest, ...(dst === undefined ? undefined : { dst: { ...dst } }) }
  }

  protected describeTimes(): string {
    const { expression, jobName } = this.#source
    return describeFields(parseExpression(expression, jobName ?? null).fields)
  }

  protected nextAfter(afterMs: number): number | null {
    return this.#kernel.nextMs(afterMs)
  }

  protected previousBefore(beforeMs: number): number | null {
    return this.#kernel.previousMs(beforeMs)
  }
}

/**
 * A cron schedule that needs values of its job: the job's time zone if the schedule names none, and the job's name for
 * an `H`. Before the schedule is bound to a job, its time zone is `UTC`, and a schedule with an `H` has no instants.
 */
export class UnboundCronSchedule extends CronSchedule implements UnboundSchedule {
  readonly #source: CronSource
  readonly #needsName: boolean

  constructor(source: CronSource, parsed: ParsedExpression) {
    super(source, parsed)
    this.#source = source
    this.#needsName = parsed.hasHash
  }

  /**
   * Returns the schedule with the job's time zone and name.
   * @throws JobistemerError `INVALID_TIMEZONE`, `SCHEDULE_NEVER_FIRES`
   */
  bind(context: ScheduleContext): CronSchedule {
    const timezone = this.#source.timezone ?? context.timezone ?? defaultTimezone
    const { expression, ...rest } = this.#source
    const bound = { expression, ...rest, timezone }
    return cronScheduleOf(this.#needsName ? { ...bound, jobName: context.jobName } : bound)
  }

  protected override describeTimes(): string {
    return this.#needsName ? `${printValue(this.expression)} spread by the job's name` : super.describeTimes()
  }

  protected override nextAfter(afterMs: number): number | null {
    this.#refuseNameless()
    return super.nextAfter(afterMs)
  }

  protected override previousBefore(beforeMs: number): number | null {
    this.#refuseNameless()
    return super.previousBefore(beforeMs)
  }

  #refuseNameless(): void {
    if (!this.#needsName) return
    throw new JobistemerError('INVALID_SCHEDULE', {
      message: `The cron expression ${printValue(this.expression)} has an H, which stands for nothing without a job.`,
      field: 'expression',
      value: this.expression,
      remedy: "Give the schedule to defineJob, which binds it, or call bind({ jobName: 'nightly-report' }).",
    })
  }
}

/**
 * The type of cron schedules. Rebuilds stored schedules. Importing this module registers the type; a scheduler imports the
 * module if a stored job needs it.
 */
export const cronType: ScheduleType = {
  name: 'cron',
  revive: (serialized) => cronScheduleOf(readSerializedCron(serialized, cronType.name)),
}

registerScheduleType(cronType)

const schedules = new WeakCache<CronSchedule>()

/**
 * Returns the schedule of a source. Calls with equal sources share one object if the sources have no job name. With a job
 * name, each call makes a new object, because an `H` makes the schedules of most jobs different.
 */
export function cronScheduleOf(source: CronSource): CronSchedule | UnboundCronSchedule {
  if (source.jobName !== undefined) return makeSchedule(source)
  return schedules.get(JSON.stringify(source), () => makeSchedule(source))
}

function makeSchedule(source: CronSource): CronSchedule | UnboundCronSchedule {
  const { expression, timezone, jobName } = source
  if (timezone !== undefined) readTimezone(timezone, 'timezone')
  const parsed = parseExpression(expression, jobName ?? null)
  const isComplete = timezone !== undefined && (jobName !== undefined || !parsed.hasHash)
  const schedule = isComplete ? new CronSchedule(source, parsed) : new UnboundCronSchedule(source, parsed)
  if (!parsed.hasHash || jobName !== undefined) refuseWhatNeverFires(schedule, parsed)
  return schedule
}

// An instant after which the check below searches. From then on, all time zones follow their present rules.
const someFutureMs = Date.UTC(2030, 0, 1)

function refuseWhatNeverFires(schedule: CronSchedule, { fields }: ParsedExpression): void {
  if (schedule.isEmpty) {
    throw neverFires(schedule, 'no year has such a day', 'Name a day that at least one of the months has.')
  }
  const { startMs, endMs } = schedule.window
  if (Number.isFinite(endMs) ? schedule.previousMs(endMs + 1) === null : startsTooLate(schedule, startMs)) {
    throw neverFires(schedule, 'none of its times lies between its start and its end', 'Widen start and end.')
  }
  // Rejects an expression whose times the clock skips in every year. The clock skips times only on a few days of a
  // year. So the check considers only expressions that name few days.
  const { months, days, years } = fields
  const isSparse = months.length < 12 && (days.dayOfMonth !== null || days.dayOfWeek !== null) && years === null
  if (isSparse && endMs === Number.POSITIVE_INFINITY && schedule.nextMs(someFutureMs) === null) {
    throw neverFires(
      schedule,
      `the clocks of ${schedule.timezone} jump over its times in every year`,
      "Name another time, or give dst: { gap: 'shift' }.",
    )
  }
}

function startsTooLate(schedule: CronSchedule, startMs: number): boolean {
  return Number.isFinite(startMs) && schedule.nextMs(startMs - 1) === null
}

function neverFires(schedule: CronSchedule, why: string, remedy: string): JobistemerError {
  return new JobistemerError('SCHEDULE_NEVER_FIRES', {
    message: `The cron expression ${printValue(schedule.expression)} can never fire: ${why}.`,
    field: 'expression',
    value: schedule.expression,
    remedy,
  })
}
