import { isPlainObject } from './configuration/read-value.ts'
import { type ErrorCode, invalidValue, JobistemerError } from './errors.ts'
import { deepestJson, mostJsonBytes } from './tuning.ts'

/** A value that `JSON.stringify` and `JSON.parse` return unchanged. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** An object that JSON can represent. */
export type JsonObject = { readonly [key: string]: JsonValue }

/**
 * The type of a value after its JSON round trip; `never` for values that JSON would change. Members that are `undefined` are
 * left out.
 */
export type Jsonify<T> = unknown extends T
  ? T
  : T extends JsonValue
    ? T
    : undefined extends T
      ? T
      : T extends
            | bigint
            | symbol
            | ((...args: never) => unknown)
            | Date
            | RegExp
            | Error
            | ArrayBufferView
            | ReadonlyMap<unknown, unknown>
            | ReadonlySet<unknown>
            | { toJSON(...args: never): unknown }
        ? never
        : T extends object
          ? { [Name in keyof T]: Jsonify<T[Name]> }
          : never

// Maximum length of a string whose JSON certainly has at most `mostJsonBytes` bytes. In JSON, one UTF-16 unit takes at most six
// bytes (`\u0000`), and the two quotes take two bytes.
const longestPlainString = Math.floor((mostJsonBytes - 2) / 6)

/**
 * Returns a copy of the value after its JSON round trip. Members that are `undefined` are left out; `undefined` itself becomes
 * `null`.
 * @throws JobistemerError of the given code for a value that JSON would drop or change, with the path of this value;
 *   `DATA_TOO_LARGE` or `RESULT_TOO_LARGE` above 131,072 bytes of JSON, counted in UTF-8 with escapes.
 */
export function toJsonValue(
  value: unknown,
  field: string,
  code: Extract<ErrorCode, 'INVALID_ARGUMENT' | 'RESULT_NOT_SERIALISABLE'> = 'INVALID_ARGUMENT',
): JsonValue {
  // Most results are absent, `null`, booleans or short texts, and need no copy.
  if (value === undefined || value === null) return null
  if (typeof value === 'boolean') return value
  if (typeof value === 'string' && value.length <= longestPlainString) return value
  const copy = new JsonCopy(field, code).of(value, field, 0)
  const bytes = Buffer.byteLength(JSON.stringify(copy))
  if (bytes > mostJsonBytes) throw tooLarge(field, code, bytes)
  return copy
}

/** Returns a copy of a JSON value for user code. If the user's code changes the copy, the value of the engine stays as it is. */
export function copyJson<Value>(value: Value): Value {
  // `structuredClone` would make objects of another realm under Jest.
  return typeof value === 'object' ? JSON.parse(JSON.stringify(value)) : value
}

/** Copies a value, and rejects it at the first member that JSON would change. */
class JsonCopy {
  readonly #field: string
  readonly #code: ErrorCode
  readonly #open = new Set<object>()
  /**
   * A lower bound of the bytes of the JSON. By this bound a value that is far too large is rejected before the whole value is
   * copied.
   */
  #bytes = 0

  constructor(field: string, code: ErrorCode) {
    this.#field = field
    this.#code = code
  }

  of(value: unknown, path: string, depth: number): JsonValue {
    this.#count(1)
    switch (typeof value) {
      case 'string':
        this.#count(value.length)
        return value
      case 'boolean':
        return value
      case 'number':
        // JSON has no negative zero: the sum turns `-0` into `0`.
        if (Number.isFinite(value)) return value + 0
        throw this.#refusal(value, path, 'Give a finite number, null or a string.')
      case 'bigint':
        throw this.#refusal(value, path, 'Give it as a string or, if it is small enough, as a number.')
      case 'object':
        return value === null ? null : this.#ofObject(value, path, depth)
      default:
        throw this.#refusal(value, path)
    }
  }

  #ofObject(value: object, path: string, depth: number): JsonValue {
    if (this.#open.has(value))
      throw this.#refusal(value, path, 'It is a part of itself: give a copy without the cycle.')
    if (depth === deepestJson) throw this.#refusal(value, path, `Nest at most ${deepestJson} levels.`)
    this.#open.add(value)
    try {
      return Array.isArray(value) ? this.#ofList(value, path, depth) : this.#ofMembers(value, path, depth)
    } catch (error) {
      if (JobistemerError.isInstance(error)) throw error
      throw this.#refusal(value, path, 'Reading its members fails.', error)
    } finally {
      this.#open.delete(value)
    }
  }

  #ofList(list: readonly unknown[], path: string, depth: number): JsonValue {
    if (list.length > mostJsonBytes) throw tooLarge(this.#field, this.#code, this.#bytes + list.length)
    if (Reflect.ownKeys(list).length !== list.length + 1) {
      throw this.#refusal(list, path, 'Give a list without holes and without members of its own.')
    }
    return Array.from(list, (item, index) => this.of(item, `${path}[${index}]`, depth + 1))
  }

  #ofMembers(value: object, path: string, depth: number): JsonValue {
    if (!isPlainObject(value)) {
      const className = Object(value).constructor?.name || 'a class without a name'
      throw this.#refusal(value, path, `It is an instance of ${className}. ${jsonRemedy}`)
    }
    if (Object.getOwnPropertySymbols(value).length > 0) {
      throw this.#refusal(value, path, 'Give a plain object without members that symbols name.')
    }
    const copy: Record<string, JsonValue> = {}
    for (const [name, member] of Object.entries(value)) {
      if (member === undefined) continue
      this.#count(name.length)
      const kept = this.of(member, `${path}.${name}`, depth + 1)
      if (name !== '__proto__') copy[name] = kept
      else Object.defineProperty(copy, name, { value: kept, enumerable: true, configurable: true, writable: true })
    }
    return copy
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > mostJsonBytes) throw tooLarge(this.#field, this.#code, this.#bytes)
  }

  #refusal(value: unknown, path: string, remedy = jsonRemedy, cause?: unknown): JobistemerError {
    return invalidValue(path, 'cannot be kept as JSON', value, remedy, this.#code, cause)
  }
}

const jsonRemedy = 'Use strings, finite numbers, booleans, null, arrays and plain objects without cycles.'

function tooLarge(field: string, code: ErrorCode, bytes: number): JobistemerError {
  return new JobistemerError(code === 'RESULT_NOT_SERIALISABLE' ? 'RESULT_TOO_LARGE' : 'DATA_TOO_LARGE', {
    message: `${field} is too large to be kept: ${bytes} bytes of JSON or more, and ${mostJsonBytes} are allowed.`,
    field,
    value: bytes,
    remedy: 'Keep it elsewhere, and hand on where it is. Characters count as JSON writes them: a quote is two bytes.',
  })
}
