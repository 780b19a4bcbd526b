import { type ErrorCode, JobistemerError } from '../../src/errors.ts'

/**
 * Returns the `JobistemerError` that a call throws. Throws any other value that the call throws. Throws if the call succeeds.
 */
export function thrownBy(call: () => unknown): JobistemerError {
  try {
    call()
  } catch (error) {
    if (JobistemerError.isInstance(error)) return error
    throw error
  }
  throw new Error('Nothing was thrown.')
}

/** The stable part of an error for invalid input, without its message. */
export interface Refusal {
  readonly code: ErrorCode
  readonly field: string
  readonly value: unknown
}

/** Returns the stable part of the error that a call throws. Checks that the error names its field and a remedy. */
export function refusalOf(call: () => unknown): Refusal {
  const { code, field, value, remedy, message } = thrownBy(call)
  if (field === undefined || !message.includes(field))
    throw new Error(`The message does not name its field: ${message}`)
  if (remedy === undefined || remedy.length < 10) throw new Error(`No way out: ${message}`)
  return { code, field, value }
}
