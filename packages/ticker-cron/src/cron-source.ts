import { JobistemerError, printValue } from '@jobistemer/core'
import { readTimezone, type SerializedSchedule, toZonedInstantText } from '@jobistemer/core/schedule'
import { type CronDstOptions, type CronOptions, readCronOptions } from './cron-options.ts'
import { normalizeExpression } from './expression.ts'

/** The data of a cron schedule: its stored form without the type. */
export interface CronSource {
  /** The cron expression with single spaces between fields. */
  readonly expression: string
  readonly timezone?: string
  readonly start?: string
  readonly end?: string
  readonly dst?: CronDstOptions
  /** The name of the job from which `H` derives its numbers. */
  readonly jobName?: string
}

const sourceNames = ['type', 'expression', 'timezone', 'start', 'end', 'dst', 'jobName']

/**
 * Checks the arguments of `cron`, and returns them as a source.
 * @throws JobistemerError if the expression is not a string, or an option is unknown or malformed
 */
export function readCronSource(expression: string, options: CronOptions): CronSource {
  const { timezone, start, end, dst } = readCronOptions(options)
  const { gap, fold } = dst ?? {}
  return {
    expression: normalizeExpression(expression),
    ...(timezone === undefined ? undefined : { timezone: readTimezone(timezone, 'timezone') }),
    ...(start === undefined ? undefined : { start: toZonedInstantText(start, 'start') }),
    ...(end === undefined ? undefined : { end: toZonedInstantText(end, 'end') }),
    ...(gap === undefined && fold === undefined
      ? undefined
      : { dst: { ...(gap === undefined ? undefined : { gap }), ...(fold === undefined ? undefined : { fold }) } }),
  }
}

/**
 * Reads the stored form of a cron schedule.
 * @throws JobistemerError `INVALID_SCHEDULE` if the value has another form
 */
export function readSerializedCron(serialized: SerializedSchedule, typeName: string): CronSource {
  const { type, expression, jobName, ...options } = serialized
  const unknown = Object.keys(serialized).find((name) => !sourceNames.includes(name))
  if (type !== typeName || unknown !== undefined || !(jobName === undefined || typeof jobName === 'string')) {
    throw new JobistemerError('INVALID_SCHEDULE', {
      message: `This is not a serialised cron schedule: ${printValue(serialized)}.`,
      field: unknown ?? (type === typeName ? 'jobName' : 'type'),
      value: serialized,
      remedy: 'Give what toJSON() of a cron schedule returned; another version of the package may have written it.',
    })
  }
  const source = readCronSource(expression as string, options as CronOptions)
  return jobName === undefined ? source : { ...source, jobName }
}
