import { systemClock } from '@jobistemer/core'

/**
 * How long the close of a storage waits for statements in progress, in ms. Loss of a notification only delays other nodes
 * until their next poll.
 */
export const closeLimitMs = 1000

/**
 * Resolves or rejects like `answer`. After `limitMs` milliseconds, instead returns the result of `onExpiry`, which may
 * throw.
 */
export async function within<T>(limitMs: number, answer: Promise<T>, onExpiry: () => T): Promise<T> {
  let expire = () => {}
  const expired = new Promise<void>((resolve) => {
    expire = resolve
  })
  const timer = systemClock.setTimer(limitMs, expire, { unref: true })
  try {
    return await Promise.race([answer, expired.then(onExpiry)])
  } finally {
    timer.cancel()
  }
}
