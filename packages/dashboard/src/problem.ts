import { type ErrorCode, JobistemerError } from '@jobistemer/core'
import type { BulkPart } from './wire.ts'

/** An error with the HTTP status and code of its answer. */
export class Problem extends Error {
  readonly status: number
  /** The stable error code. By this code, the page decides how to show the problem. */
  readonly code: string
  readonly field: string | undefined
  /** The headers of the answer besides those of every answer. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    message: string,
    field?: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
    this.headers = headers
    this.status = status
    this.code = code
    this.field = field
  }
}

export function wrongMethod(allowed: string): Problem {
  const message = `This path accepts only ${allowed}.`
  return new Problem(405, 'METHOD_NOT_ALLOWED', message, undefined, { allow: allowed })
}

/** Returns the problem of a request without a valid token. */
export function withoutToken(code: 'SIGN_IN' | 'WRONG_TOKEN', message: string): Problem {
  return new Problem(401, code, message, undefined, { 'www-authenticate': 'Bearer' })
}

/** An error that stopped a part of a bulk action, with the results of the items before the error. */
export class PartStopped extends Error {
  readonly part: BulkPart

  constructor(cause: unknown, part: BulkPart) {
    super('A part of a bulk action stopped.', { cause })
    this.part = part
  }
}

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  JOB_NOT_FOUND: 404,
  OCCURRENCE_NOT_FOUND: 404,
  TASK_NOT_FOUND: 404,
  VERSION_CONFLICT: 409,
  DUPLICATE_JOB: 409,
  HANDLER_NOT_FOUND: 409,
  UNKNOWN_SCHEDULE_TYPE: 409,
  QUEUE_FULL: 429,
  CLOCK_UNCONFIRMED: 503,
  SCHEDULER_STATE: 503,
  ABORTED: 503,
  WAIT_TIMEOUT: 503,
}

/**
 * Returns whether an error comes from the storage. The message of such an error may contain hosts, users and files, so
 * only the log of the dashboard receives the message.
 */
export function isStorageFailure(error: unknown): boolean {
  return JobistemerError.isInstance(error) && error.code.startsWith('STORAGE_')
}

/**
 * Returns the answer for an error of the client. Returns `null` for a bug of this program, whose details the answer
 * must not contain.
 */
export function problemOf(error: unknown): Problem | null {
  if (error instanceof Problem) return error
  if (!JobistemerError.isInstance(error)) return null
  if (isStorageFailure(error)) {
    const isRefused = error.code === 'STORAGE_REFUSED'
    const what = isRefused ? 'The storage refused the change.' : 'The storage does not answer.'
    return new Problem(isRefused ? 409 : 503, error.code, `${what} The log of this dashboard has the reason.`)
  }
  const { code, message, field } = error
  return new Problem(statuses[code] ?? 400, code, message, field)
}
