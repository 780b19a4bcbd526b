import { maskSecrets, maskValue } from './secrets.ts'
import { longestMessage, longestPrintedValue } from './tuning.ts'

/**
 * The stable codes of every error that Jobistemer throws. A later version of the package may improve messages, but never
 * changes a code.
 */
export type ErrorCode =
  // Definitions and arguments
  | 'INVALID_ARGUMENT'
  | 'INVALID_NAME'
  | 'INVALID_DURATION'
  | 'INVALID_INSTANT'
  | 'INVALID_TIMEZONE'
  | 'INVALID_SCHEDULE'
  | 'INVALID_PAYLOAD'
  | 'INVALID_MODULE'
  | 'SCHEDULE_NEVER_FIRES'
  | 'UNKNOWN_OPTION'
  | 'UNKNOWN_SCHEDULE_TYPE'
  | 'DUPLICATE_JOB'
  | 'DUPLICATE_TASK'
  | 'JOB_NOT_FOUND'
  | 'TASK_NOT_FOUND'
  | 'HANDLER_NOT_FOUND'
  | 'OCCURRENCE_NOT_FOUND'
  | 'VERSION_CONFLICT'
  | 'QUEUE_FULL'
  // Running work
  | 'TASK_TIMEOUT'
  | 'EXECUTION_TIMEOUT'
  | 'WAIT_TIMEOUT'
  | 'ABORTED'
  | 'DATA_TOO_LARGE'
  | 'RESULT_NOT_SERIALISABLE'
  | 'RESULT_TOO_LARGE'
  | 'RESULT_NOT_AVAILABLE'
  | 'OCCURRENCE_LOST'
  | 'ATTEMPT_OVER'
  | 'ALREADY_COMPLETED'
  | 'TRANSACTION_NOT_COMMITTED'
  | 'CHILD_DIED'
  | 'SCHEDULER_STATE'
  | 'NODE_ID_IN_USE'
  | 'CLOCK_UNCONFIRMED'
  // Transactions
  | 'INVALID_TRANSACTION'
  | 'TRANSACTION_NOT_SUPPORTED'
  // Storage
  | 'RECORD_UNREADABLE'
  | 'STORAGE_UNREADABLE'
  | 'STORAGE_FOREIGN'
  | 'STORAGE_SCHEMA_NEWER'
  | 'STORAGE_FULL'
  | 'STORAGE_BUSY'
  | 'STORAGE_UNREACHABLE'
  | 'STORAGE_CLOSED'
  | 'STORAGE_REPLACED'
  | 'STORAGE_TIMEOUT'
  | 'STORAGE_FAILED'
  | 'STORAGE_REFUSED'

/** HTTP status by error code, for errors that the sender of an HTTP request caused. All other codes are server errors. */
const statusCodes: Partial<Readonly<Record<ErrorCode, number>>> = {
  INVALID_PAYLOAD: 400,
  JOB_NOT_FOUND: 404,
  OCCURRENCE_NOT_FOUND: 404,
  VERSION_CONFLICT: 409,
  DATA_TOO_LARGE: 413,
  QUEUE_FULL: 429,
  STORAGE_BUSY: 503,
  STORAGE_UNREACHABLE: 503,
}

const brand = Symbol.for('jobistemer.error')

/** The values from which a {@link JobistemerError} is made. */
export interface JobistemerErrorOptions {
  /** One sentence that names the wrong value and the reason. */
  readonly message: string
  /** The wrong field, option or object, as a path: `tasks[1].retryPolicy.maxRetries`. */
  readonly field?: string
  /** The rejected value, with passwords masked. */
  readonly value?: unknown
  /** What the caller can do. `JobistemerError` appends the remedy to the message. */
  readonly remedy?: string
  /** The error that caused this error. */
  readonly cause?: unknown
}

/** The error class of Jobistemer. Programs check `code`, not the message. */
export class JobistemerError extends Error {
  override readonly name = 'JobistemerError'
  /** The stable error code, for programs. */
  readonly code: ErrorCode
  /** The wrong field, option or object, as a path such as `tasks[1].name`; `undefined` if the error concerns none. */
  readonly field: string | undefined
  /** The rejected value, with passwords masked. */
  readonly value: unknown
  /** What the caller can do; `message` ends with the remedy. `undefined` without a remedy. */
  readonly remedy: string | undefined

  constructor(code: ErrorCode, options: JobistemerErrorOptions) {
    const said = maskSecrets(options.message)
    const message = options.remedy === undefined ? said : `${said} ${options.remedy}`
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.field = options.field
    this.value = maskValue(options.value, options.field?.split('.').at(-1))
    this.remedy = options.remedy
    Object.defineProperty(this, brand, { value: true })
  }

  /**
   * The HTTP status that Express, Fastify and NestJS answer with when a route throws this error: 400, 404, 409, 413, 429 or
   * 503. For codes that no request causes, the status is `undefined`: the frameworks then answer 500.
   */
  get statusCode(): number | undefined {
    return statusCodes[this.code]
  }

  /** The same as `statusCode`: Express and NestJS read this name. */
  get status(): number | undefined {
    return this.statusCode
  }

  /** Whether a web server may send the error's message to the sender of the HTTP request: true for a status from 400 to 499. */
  get expose(): boolean {
    const { statusCode = 500 } = this
    return statusCode < 500
  }

  /**
   * Returns true for a JobistemerError that any copy of this package in the process has made. With `code`, returns true
   * only for errors of that code.
   */
  static isInstance(error: unknown, code?: ErrorCode): error is JobistemerError {
    if (typeof error !== 'object' || error === null || !(brand in error)) return false
    return code === undefined || (error as { code?: unknown }).code === code
  }
}

/** Makes the error for an invalid value of a caller. Its message names the field, the fault `what`, and the value. */
export function invalidValue(
  field: string,
  what: string,
  value: unknown,
  remedy: string,
  code: ErrorCode = 'INVALID_ARGUMENT',
  cause?: unknown,
): JobistemerError {
  return new JobistemerError(code, { message: `${field} ${what}: ${printValue(value)}.`, field, value, remedy, cause })
}

/** Prints a rejected value for a message: JSON if possible, without passwords, cut to 80 characters. */
export function printValue(value: unknown): string {
  const text = textOf(value)
  return text.length > longestPrintedValue ? `${text.slice(0, longestPrintedValue - 3)}...` : text
}

function textOf(value: unknown): string {
  // Cut the text before printing, because printing a long text is slow.
  if (typeof value === 'string')
    return JSON.stringify(maskSecrets(value.slice(0, longestMessage)).slice(0, longestPrintedValue))
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return String(value)
  try {
    if (typeof value === 'function') return `[function ${value.name || 'anonymous'}]`
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
    return JSON.stringify(maskValue(value), withoutNull) ?? String(value)
  } catch {
    // Cyclic objects have no JSON, so print their class.
    return Object.prototype.toString.call(value)
  }
}

/** `JSON.stringify` would print `NaN` and infinite numbers as `null`, so this replacer turns them into text. */
function withoutNull(_: string, member: unknown): unknown {
  return typeof member === 'number' && !Number.isFinite(member) ? String(member) : member
}
