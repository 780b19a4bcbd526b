import { longestLine } from './tuning.ts'
import { deepestCause } from '../../tuning.ts'
import type { JsonObject, JsonValue } from '../../json.ts'
import type { LogLevel, LogLineRecord } from '../../storage/occurrence-record.ts'
import { cutText } from '../../cut-text.ts'
import { toErrorRecord } from '../../error-record.ts'
import { lineOf } from '../../logger.ts'
import { orElse } from '../../or-else.ts'

const unreadable = '[unreadable]'

/**
 * Returns a log line in its stored form: values that JSON cannot represent become text, and a long line is cut. Never throws,
 * not even for values with throwing getters.
 */
export function toLogLine(at: number, level: LogLevel, given: unknown, said: unknown): LogLineRecord {
  const copy = new LineCopy()
  const { fields, message: text } = lineOf(given, said)
  const kept = { at, level, message: copy.text(typeof text === 'string' ? text : print(text)) }
  const members = typeof fields === 'object' && fields !== null ? copy.members(fields) : {}
  return {
    ...kept,
    ...(Object.keys(members).length > 0 && { fields: members }),
    ...(copy.isCut && { cut: true as const }),
  }
}

/** Copies the message and fields of one log line, up to {@link longestLine} characters. */
class LineCopy {
  isCut = false
  #left = longestLine

  text(text: string): string {
    const kept = cutText(text, this.#left)
    this.#count(text.length)
    return kept
  }

  members(value: object): JsonObject {
    return orElse<JsonObject>(() => this.#membersOf(value, 0), {})
  }

  #of(value: unknown, depth: number): JsonValue {
    switch (typeof value) {
      case 'string':
        return this.text(value)
      case 'number':
        return Number.isFinite(value) ? value : String(value)
      case 'boolean':
        return value
      case 'object':
        return value === null ? null : orElse(() => this.#ofObject(value, depth), unreadable)
      default:
        return this.text(print(value))
    }
  }

  #ofObject(value: object, depth: number): JsonValue {
    if (value instanceof Date) return this.text(Number.isNaN(+value) ? 'Invalid Date' : value.toISOString())
    if (value instanceof Error) return this.#membersOf(toErrorRecord(value), depth)
    if (depth === deepestCause) return this.text('[…]')
    if (ArrayBuffer.isView(value)) return this.text(`[${value.byteLength} bytes]`)
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.#of(value.toJSON(), depth + 1)
    if (value instanceof Map) return this.#listOf(value.entries(), depth)
    if (value instanceof Set || Array.isArray(value)) return this.#listOf(value.values(), depth)
    return this.#membersOf(value, depth)
  }

  #listOf(values: Iterable<unknown>, depth: number): JsonValue {
    const list: JsonValue[] = []
    for (const value of values) {
      if (!this.#takesOneMore()) break
      list.push(this.#of(value, depth + 1))
    }
    return list
  }

  #membersOf(value: object, depth: number): JsonObject {
    const copy: Record<string, JsonValue> = {}
    for (const name of Object.keys(value)) {
      if (!this.#takesOneMore()) break
      const member = orElse(() => (value as Record<string, unknown>)[name], unreadable)
      if (member === undefined || name === '__proto__') continue
      copy[this.text(name)] = this.#of(member, depth + 1)
    }
    return copy
  }

  /**
   * Returns whether the copy takes one more member. Each member counts as one character, so that a list of many empty texts
   * reaches the limit.
   */
  #takesOneMore(): boolean {
    const isTaken = this.#left > 0
    this.#count(1)
    return isTaken
  }

  #count(characters: number): void {
    if (characters > this.#left) this.isCut = true
    this.#left = Math.max(0, this.#left - characters)
  }
}

function print(value: unknown): string {
  if (value === undefined) return ''
  // `String` throws if the value cannot be converted to text, for example because its `toString` throws.
  return orElse(() => (typeof value === 'function' ? `[function ${value.name}]` : String(value)), unreadable)
}
