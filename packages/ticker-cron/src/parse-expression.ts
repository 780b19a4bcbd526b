import { splitExpression } from './expression.ts'
import { type FieldName, fields } from './field.ts'
import type { CronFields } from './local-times.ts'
import { parseDays } from './parse-days.ts'
import { type FieldContext, hasHash, isUnrestricted, parseValues, splitList } from './parse-values.ts'

/** The parsed content of a cron expression. */
export interface ParsedExpression {
  readonly fields: CronFields
  /**
   * `true` if the minute or the hour field begins with `*`. The schedule then follows elapsed time instead of fixed
   * local times.
   */
  readonly followsElapsedTime: boolean
  /**
   * `true` if the expression contains an `H`. The values of {@link fields} are then valid only for the job whose name
   * the parser received.
   */
  readonly hasHash: boolean
}

/**
 * Parses a normalized expression for a job. If `jobName` is `null`, checks each `H`, and uses its least value.
 * @throws JobistemerError `INVALID_SCHEDULE` that names the field
 */
export function parseExpression(expression: string, jobName: string | null): ParsedExpression {
  const texts = splitExpression(expression)
  const contextOf = (name: FieldName): FieldContext => ({
    field: fields[name],
    text: texts[name],
    expression,
    jobName,
  })
  const valuesOf = (name: FieldName): readonly number[] => {
    const context = contextOf(name)
    return parseValues(splitList(context), context)
  }
  return {
    fields: {
      seconds: valuesOf('second'),
      minutes: valuesOf('minute'),
      hours: valuesOf('hour'),
      days: parseDays(contextOf('dayOfMonth'), contextOf('dayOfWeek')),
      months: valuesOf('month'),
      years: isUnrestricted(texts.year) ? null : valuesOf('year'),
    },
    followsElapsedTime: texts.minute.startsWith('*') || texts.hour.startsWith('*'),
    hasHash: hasHash(texts),
  }
}
