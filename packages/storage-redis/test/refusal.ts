import { JobistemerError } from '@jobistemer/core'

/** The error that a call rejects with; fails when it does not, or with another kind of error. */
export async function refusal(call: Promise<unknown>): Promise<JobistemerError> {
  try {
    await call
  } catch (error) {
    if (JobistemerError.isInstance(error)) return error
    throw error
  }
  throw new Error('the call was not refused')
}
