import { type ErrorCode, JobistemerError, printValue } from './errors.ts'

/** A value that survives `JSON.stringify` and `JSON.parse` unchanged. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** A JSON object. */
export type JsonObject = { readonly [key: string]: JsonValue }

// What is kept travels to the storage with every write of its occurrence, and some storages bound a record's size.
const longestJson = 131_072

/**
 * The value as JSON keeps it. `undefined` becomes `null`, a `Date` its string.
 * @throws JobistemerError of the given code when it has a cycle, a BigInt or a function; `RESULT_TOO_LARGE` above
 * 131,072 characters of JSON.
 */
export function toJsonValue(value: unknown, field: string, code: ErrorCode = 'INVALID_ARGUMENT'): JsonValue {
  // Most results are of these types, and are their own copy.
  if (value === undefined || value === null) return null
  if (typeof value === 'boolean') return value
  if (typeof value === 'string' && value.length <= longestJson) return value
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
  if (text.length > longestJson) throw tooLarge(field, text.length)
  return JSON.parse(text) as JsonValue
}

function tooLarge(field: string, length: number): JobistemerError {
  return new JobistemerError('RESULT_TOO_LARGE', {
    message: `${field} is too large to be kept: ${length} characters of JSON, and ${longestJson} are allowed.`,
    field,
    value: length,
    remedy: 'Keep the data elsewhere, and return where it is.',
  })
}
