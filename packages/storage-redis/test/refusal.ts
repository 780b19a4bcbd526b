import { JobistemerError } from '@jobistemer/core'

/** Returns the error that a call rejects with. Throws if the call resolves, or rejects with another kind of error. */
export async function refusal(call: Promise<unknown>): Promise<JobistemerError> {
  try {
    await call
  } catch (error) {
    if (JobistemerError.isInstance(error)) return error
    throw error
  }
  throw new Error('the call was not refused')
}
