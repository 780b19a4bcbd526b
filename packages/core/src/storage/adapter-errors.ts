import { type ErrorCode, JobistemerError, printValue } from '../errors.ts'

// All adapters make these errors with the functions of this module, so that the same failure has the same message.

/**
 * Errors that concern only a part of the items of a call, such as a lock on one job. The value has the answer of each item, and
 * `null` for the items that failed. So the caller repeats only these items. An adapter adds such an error with an empty list.
 */
export const partialAnswers: WeakMap<Error, readonly unknown[]> = new WeakMap()

/** Makes the error of a storage. `field` names an option. `value` is the value of this option, or the location of the data. */
export function storageFailure(
  code: ErrorCode,
  [field, value]: readonly [field: string, value: unknown],
  message: string,
  remedy: string,
  cause?: unknown,
): JobistemerError {
  return new JobistemerError(code, { message, field, value, remedy, ...(cause !== undefined && { cause }) })
}

/** Makes the error for an adapter's option whose value is invalid. */
export function invalidOption(field: string, value: unknown, problem: string, remedy: string): JobistemerError {
  return storageFailure('INVALID_ARGUMENT', [field, value], `${problem}: ${printValue(value)}.`, remedy)
}

/**
 * Checks that the options of an adapter are an object with known names only. In messages, `show` masks values that may contain
 * a password.
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function readOptionNames(
  options: object,
  { opener, known, example }: { readonly opener: string; readonly known: readonly string[]; readonly example: string },
  show: (value: unknown) => unknown = (value) => value,
): void {
  // A `Map` or a `Date` has no unknown members, so the checks below would accept it.
  if (Object.prototype.toString.call(options) !== '[object Object]') {
    const remedy = `Write ${opener}(${example}).`
    throw invalidOption('options', show(options), `${opener} needs an object of options`, remedy)
  }
  for (const [name, value] of Object.entries(options)) {
    if (known.includes(name)) continue
    const message = `${opener} has no option ${printValue(name)}.`
    throw storageFailure('UNKNOWN_OPTION', [name, show(value)], message, `The options are ${known.join(', ')}.`)
  }
}

/** Makes the error for a cursor that this storage has not returned. */
export function cursorError(cursor: string): JobistemerError {
  const remedy = 'Pass on the cursor of the page before, with the same query.'
  return invalidOption('cursor', cursor, 'cursor is not one of this storage', remedy)
}

/** How an adapter reports a failure of its database to the user. */
export interface FailureMeaning {
  /** The code of the reported error. */
  readonly code: ErrorCode
  /** What happened, as a sentence without its full stop. */
  readonly message: string
  /** What the user can do, as a sentence. */
  readonly remedy: string
}

/**
 * Makes the error for a failure of a database, with the failure as its cause.
 * @param detail the code and the message of the failure
 * @param about `field`: the option that determines the location of the data, such as `tableName`; `value`: the location of the
 *   data, without secrets; `cause`: the error of the database
 */
export function failureOf(
  { code, message, remedy }: FailureMeaning,
  detail: string,
  about: { readonly field: string; readonly value: string; readonly cause: unknown },
): JobistemerError {
  const { field, value, cause } = about
  return storageFailure(code, [field, value], `${message} (${detail}): ${value}.`, remedy, cause)
}
