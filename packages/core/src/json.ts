import { type ErrorCode, JobistemerError, printValue } from './errors.ts'

/** A value that survives `JSON.stringify` and `JSON.parse` unchanged. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** A JSON object. */
export type JsonObject = { readonly [key: string]: JsonValue }

/**
 * The value as JSON keeps it. `undefined` becomes `null`, a `Date` its string.
 * @throws JobistemerError `RESULT_NOT_SERIALISABLE` or the given code, when it has a cycle, a BigInt or a function.
 */
export function toJsonValue(value: unknown, field: string, code: ErrorCode = 'INVALID_ARGUMENT'): JsonValue {
  // Most results are of these types, and are their own copy.
  if (value === undefined || value === null) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  let text: string | undefined
  let cause: unknown
  try {
    text = JSON.stringify(value)
  } catch (error) {
    cause = error
  }
  if (text === undefined) {
    throw new JobistemerError(code, {
      message: `${field} cannot be kept as JSON: ${printValue(value)}.`,
      field,
      value,
      remedy: 'Use strings, finite numbers, booleans, null, arrays and plain objects without cycles.',
      cause,
    })
  }
  return JSON.parse(text) as JsonValue
}
