import { invalidValue, JobistemerError, printValue } from '../errors.ts'
import { longestName, mostItems } from '../tuning.ts'

/** Checks that a value is one of the given choices. */
export function readChoice<T extends string>(value: unknown, choices: readonly T[], field: string): T {
  if (choices.includes(value as T)) return value as T
  throw invalidValue(
    field,
    `is not one of the allowed values`,
    value,
    `Allowed are ${choices.map(printValue).join(', ')}.`,
  )
}

/** Checks that a value is a list of the given choices. */
export function readChoices<T extends string>(value: readonly T[], choices: readonly T[], field: string): readonly T[] {
  return readList(value, field).map((item, index) => readChoice(item, choices, `${field}[${index}]`))
}

/** Checks that a value is an integer in a range, both ends included. */
export function readInteger(value: unknown, field: string, min: number, max: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  throw invalidValue(field, 'is not an integer in range', value, `Give an integer from ${min} to ${max}.`)
}

/** Checks that a value is a number in a range, both ends included. */
export function readNumber(value: unknown, field: string, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw invalidValue(field, 'is not a number in range', value, `Give a number from ${min} to ${max}.`)
}

/** Checks that a value is a function. */
export function readFunction<T>(value: T, field: string): T {
  if (typeof value === 'function') return value
  throw invalidValue(field, 'is not a function', value, 'Give a function.')
}

/** Checks that a value is an object with the given methods. */
export function readMethods<T>(value: T, field: string, methods: readonly string[]): T {
  const members = Object(value) as Readonly<Record<string, unknown>>
  const absent = methods.find((method) => typeof members[method] !== 'function')
  if (absent === undefined) return value
  throw invalidValue(field, `has no method ${absent}`, value, `Give an object with the methods ${methods.join(', ')}.`)
}

/** Checks that a value is an abort signal, or absent. */
export function readSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  return signal === undefined ? signal : readMethods(signal, 'signal', ['addEventListener', 'removeEventListener'])
}

/** Checks that a value is an array. */
export function readList<T>(value: readonly T[], field: string): readonly T[] {
  if (Array.isArray(value)) return value
  throw invalidValue(field, 'is not a list', value, 'Give an array.')
}

/** Checks that a value is an array of at most 10,000 items, the maximum of one call. */
export function readLimitedList<T>(value: readonly T[], field: string): readonly T[] {
  if (readList(value, field).length <= mostItems) return value
  const remedy = 'Give them in several calls, one after the other.'
  throw invalidValue(field, `has more than ${mostItems} items`, value.length, remedy)
}

/** Checks that a value is a function or `undefined`. */
export function readOptionalFunction<T>(value: T, field: string): T {
  if (value === undefined || typeof value === 'function') return value
  throw invalidValue(field, 'is not a function', value, 'Give a function or leave it out.')
}

/**
 * Returns the value, or `otherwise` if the value is `undefined`. Returns `null` unchanged, so that the caller's type check
 * rejects it.
 */
export function orDefault<T>(value: T | undefined, otherwise: T): T {
  return value === undefined ? otherwise : value
}

/** Checks that a value is `true` or `false`. */
export function readBoolean(value: unknown, field: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalidValue(field, 'is neither true nor false', value, 'Give true or false.')
}

/**
 * Checks that a value is a name: 1 to 255 characters of well-formed Unicode. `remedy`: the sentence of the error that says
 * which value to give.
 * @throws JobistemerError `INVALID_NAME`
 */
export function readName(
  value: unknown,
  field: string,
  remedy = 'Give a string of 1 to 255 characters.',
  longest: number = longestName,
): string {
  const isUsable = typeof value === 'string' && value.length >= 1 && value.length <= longest
  // Rejects the name `__proto__`, because names become the names of object members: for example, an object contains the
  // results of tasks by task name. An object cannot have an ordinary member with the name `__proto__`.
  if (isUsable && isWellFormed(value) && value !== '__proto__') return value
  const advice = isUsable ? 'Give well-formed Unicode other than "__proto__", which the language reserves.' : remedy
  const what = typeof value === 'string' ? `of ${value.length} characters is not a name` : 'is not a name'
  throw invalidValue(field, what, value, advice, 'INVALID_NAME')
}

/** Checks that a value is a list of tags. @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_NAME` */
export function readTags(value: readonly string[], field: string): readonly string[] {
  const tags = readList(value, field).map((tag, index) => readTag(tag, `${field}[${index}]`))
  if (tags.length > 32) throw invalidValue(field, 'has too many items', tags.length, 'Give at most 32 tags.')
  const twice = tags.findIndex((tag, index) => tags.indexOf(tag) < index)
  if (twice < 0) return tags
  throw invalidValue(`${field}[${twice}]`, 'is there twice', tags[twice], 'Name each tag once.')
}

/** Checks that a value is a tag. @throws JobistemerError `INVALID_NAME` */
export function readTag(value: unknown, field: string): string {
  return readName(value, field, 'Give a string of 1 to 64 characters.', 64)
}

/** Checks that a value is a description for people: 1 to 1,000 characters of well-formed Unicode. */
export function readDescription(value: unknown, field: string): string {
  if (typeof value === 'string' && value.length >= 1 && value.length <= 1000 && isWellFormed(value)) return value
  throw invalidValue(
    field,
    'is not a text for people',
    value,
    'Give a string of 1 to 1,000 characters of well-formed Unicode.',
  )
}

/**
 * Returns false for a text with half of a surrogate pair. Ids are digests of UTF-8, which encodes all such halves alike. So
 * texts that differ only in such halves would have equal ids.
 */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

/** Checks that a value is a plain object, not a list, a `Map` or an instance of a class. */
export function readRecord<T>(value: Readonly<Record<string, T>>, field: string): Readonly<Record<string, T>> {
  if (isPlainObject(value)) return value
  throw invalidValue(field, 'is not a plain object', value, 'Give an object literal, with a name for each member.')
}

/**
 * Returns true for an object literal, an object without a prototype, and the namespace of a module. The object may come from
 * another realm, such as a `vm` context.
 */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/**
 * Checks that a value is an object that has only the known members.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`
 */
export function readObject<T extends object>(value: T, field: string, known: readonly string[], or = ''): T {
  // A `Map` or a `Date` has no members of its own. Without this check, such an object would pass as an object without options.
  if (typeof value !== 'object' || value === null || Object.prototype.toString.call(value) !== '[object Object]') {
    throw invalidValue(
      field === '' ? 'options' : field,
      'is not an object',
      value,
      `Give an object with ${known.join(', ')}${or}.`,
    )
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
