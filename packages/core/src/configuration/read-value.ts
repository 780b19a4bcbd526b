import { JobistemerError, printValue } from '../errors.ts'

/** Checks that a value is one of a few. */
export function readChoice<T extends string>(value: unknown, choices: readonly T[], field: string): T {
  if (choices.includes(value as T)) return value as T
  throw invalid(value, field, `is not one of the allowed values`, `Allowed are ${choices.map(printValue).join(', ')}.`)
}

/** Checks that a value is an integer in a range, both ends included. */
export function readInteger(value: unknown, field: string, min: number, max: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  throw invalid(value, field, 'is not an integer in range', `Give an integer from ${min} to ${max}.`)
}

/** Checks that a value is a number in a range, both ends included. */
export function readNumber(value: unknown, field: string, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw invalid(value, field, 'is not a number in range', `Give a number from ${min} to ${max}.`)
}

/** Checks that a value is a function. */
export function readFunction<T>(value: T, field: string): T {
  if (typeof value === 'function') return value
  throw invalid(value, field, 'is not a function', 'Give a function.')
}

/** Checks that a value is an object with these methods. */
export function readMethods<T>(value: T, field: string, methods: readonly string[]): T {
  const members = (typeof value === 'object' || typeof value === 'function' ? value : null) as Record<
    string,
    unknown
  > | null
  const absent = methods.find((method) => typeof members?.[method] !== 'function')
  if (absent === undefined) return value
  throw invalid(value, field, `has no method ${absent}`, `Give an object with the methods ${methods.join(', ')}.`)
}

/** Checks that a value is a list. */
export function readList<T>(value: readonly T[], field: string): readonly T[] {
  if (Array.isArray(value)) return value
  throw invalid(value, field, 'is not a list', 'Give an array.')
}

/** Checks that a value is a function, or absent. */
export function readOptionalFunction<T>(value: T, field: string): T {
  if (value === undefined || typeof value === 'function') return value
  throw invalid(value, field, 'is not a function', 'Give a function or leave it out.')
}

/** Checks that a value is a name: 1 to 255 characters. @throws JobistemerError `INVALID_NAME` */
export function readName(value: unknown, field: string): string {
  if (typeof value === 'string' && value.length >= 1 && value.length <= 255) return value
  throw new JobistemerError('INVALID_NAME', {
    message: `${field} is not a name: ${printValue(value)}${typeof value === 'string' ? ` (${value.length} characters)` : ''}.`,
    field,
    value,
    remedy: 'Give a string of 1 to 255 characters.',
  })
}

/** Checks that a value is an object with none but the known members. @throws JobistemerError `UNKNOWN_OPTION` */
export function readObject<T extends object>(value: T, field: string, known: readonly string[]): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(value, field, 'is not an object', `Give an object with ${known.join(', ')}.`)
  }
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue
    const path = field === '' ? name : `${field}.${name}`
    throw new JobistemerError('UNKNOWN_OPTION', {
      message: `${path} is not an option.`,
      field: path,
      value: (value as Record<string, unknown>)[name],
      remedy: `Known are ${known.join(', ')}.`,
    })
  }
  return value
}

function invalid(value: unknown, field: string, what: string, remedy: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `${field} ${what}: ${printValue(value)}.`,
    field,
    value,
    remedy,
  })
}
