import { type ErrorCode, JobistemerError } from '../../src/errors.ts'

/** The error that a call is refused with; throws when it is not refused, or with something else. */
export function thrownBy(call: () => unknown): JobistemerError {
  try {
    call()
  } catch (error) {
    if (JobistemerError.isInstance(error)) return error
    throw error
  }
  throw new Error('Nothing was thrown.')
}

/** What a refusal has to tell, whatever its words. */
export interface Refusal {
  readonly code: ErrorCode
  readonly field: string
  readonly value: unknown
}

/** The stable part of the refusal, after making sure that it names the field and a way out. */
export function refusalOf(call: () => unknown): Refusal {
  const { code, field, value, remedy, message } = thrownBy(call)
  if (field === undefined || !message.includes(field))
    throw new Error(`The message does not name its field: ${message}`)
  if (remedy === undefined || remedy.length < 10) throw new Error(`No way out: ${message}`)
  return { code, field, value }
}
