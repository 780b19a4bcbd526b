import { splitExpression } from './expression.ts'
import { type FieldName, fields } from './field.ts'
import type { CronFields } from './local-times.ts'
import { parseDays } from './parse-days.ts'
import { type FieldContext, hasHash, isUnrestricted, parseValues, splitList } from './parse-values.ts'

/** What an expression says. */
export interface ParsedExpression {
  readonly fields: CronFields
  /** The minute or the hour begins with `*`: the schedule follows elapsed time, not fixed times of the local clock. */
  readonly followsElapsedTime: boolean
  /** It has an `H`: {@link fields} are those of the job it was parsed for. */
  readonly hasHash: boolean
}

/**
 * Parses a normal expression for a job, or for none (`H` is then checked, but stands for its least value).
 * @throws JobistemerError `INVALID_SCHEDULE` naming the field
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
