import { type ErrorCode, JobistemerError } from '@jobistemer/core'

/** Errors that a client of this server can cause, with the HTTP status of each. */
const statuses: Partial<Record<ErrorCode, 400 | 404 | 429>> = {
  INVALID_PAYLOAD: 400,
  OCCURRENCE_NOT_FOUND: 404,
  QUEUE_FULL: 429,
}

/** The answer of a server to an error. */
export interface ErrorAnswer {
  readonly status: 400 | 404 | 429 | 500
  readonly body: { readonly code: string; readonly message: string }
}

/**
 * Returns the answer to an error of a route. Only the log of the server has the details of other errors, because a stack or a
 * message of the storage may contain files and hosts.
 */
export function answerOf(error: unknown): ErrorAnswer {
  if (error instanceof SyntaxError) {
    return { status: 400, body: { code: 'INVALID_JSON', message: 'The body is not JSON.' } }
  }
  if (JobistemerError.isInstance(error)) {
    const { code, message } = error
    const status = statuses[code]
    if (status !== undefined) return { status, body: { code, message } }
  }
  console.error(error)
  return { status: 500, body: { code: 'INTERNAL', message: 'The server failed. Its log has the reason.' } }
}
