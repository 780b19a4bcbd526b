import { JobistemerError, printValue } from '@jobistemer/core'
import { type FieldName, layouts } from './field.ts'

/** The texts of an expression's fields. Omitted fields have their default: second 0, every year. */
export type FieldTexts = Readonly<Record<FieldName, string>>

const longestExpression = 1000

const nicknames: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/**
 * Checks that the expression is a text, and normalizes white space.
 * @throws JobistemerError `INVALID_SCHEDULE`
 */
export function normalizeExpression(expression: unknown): string {
  if (typeof expression !== 'string') {
    throw invalidExpression(expression, `The cron expression is not a string: ${printValue(expression)}.`)
  }
  if (expression.length <= longestExpression) return expression.trim().replace(/\s+/g, ' ')
  throw invalidExpression(
    expression,
    `The cron expression has ${expression.length} characters; at most ${longestExpression} are read: ${printValue(expression)}.`,
  )
}

/**
 * Splits a normalized expression into its fields.
 * @throws JobistemerError `INVALID_SCHEDULE`
 */
export function splitExpression(expression: string): FieldTexts {
  const texts = (expression.startsWith('@') ? expandNickname(expression) : expression).split(' ')
  const names = layouts[texts.length]
  if (names === undefined) {
    const count = texts.length === 1 && texts[0] === '' ? 0 : texts.length
    throw invalidExpression(expression, `The cron expression ${printValue(expression)} has ${count} fields.`)
  }
  const split: Record<FieldName, string> = {
    second: '0',
    minute: '*',
    hour: '*',
    dayOfMonth: '*',
    month: '*',
    dayOfWeek: '*',
    year: '*',
  }
  names.forEach((name, index) => {
    split[name] = texts[index] as string
  })
  return split
}

function expandNickname(expression: string): string {
  const expanded = nicknames[expression.toLowerCase()]
  if (expanded !== undefined) return expanded
  throw new JobistemerError('INVALID_SCHEDULE', {
    message: `The cron expression ${printValue(expression)} is not one that a schedule can follow.`,
    field: 'expression',
    value: expression,
    remedy:
      expression.toLowerCase() === '@reboot'
        ? 'A schedule knows no reboots: call trigger() when the process starts.'
        : `Known are ${Object.keys(nicknames).join(', ')}.`,
  })
}

function invalidExpression(value: unknown, message: string): JobistemerError {
  return new JobistemerError('INVALID_SCHEDULE', {
    message,
    field: 'expression',
    value,
    remedy:
      'Give 5 fields (minute hour day-of-month month day-of-week), 6 (seconds first), 7 (year last) or a name like @daily.',
  })
}
