import { JobistemerError, printValue } from '@jobistemer/core'
import { readTimezone, type SerializedSchedule, toZonedInstantText } from '@jobistemer/core/schedule'
import { type CronDstOptions, type CronOptions, readCronOptions } from './cron-options.ts'
import { normalizeExpression } from './expression.ts'

/** What a cron schedule is made from: its serialised form without the type. */
export interface CronSource {
  /** With single spaces. */
  readonly expression: string
  readonly timezone?: string
  readonly start?: string
  readonly end?: string
  readonly dst?: CronDstOptions
  /** The job that `H` is derived from. */
  readonly jobName?: string
}

const sourceNames = ['type', 'expression', 'timezone', 'start', 'end', 'dst', 'jobName']

/** @throws JobistemerError for an expression that is no string and for options that are unknown or malformed */
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

/** @throws JobistemerError `INVALID_SCHEDULE` when it is not the serialised form of a cron schedule */
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
