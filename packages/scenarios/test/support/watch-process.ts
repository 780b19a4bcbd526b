import { setImmediate } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

const names = ['unhandledRejection', 'uncaughtException'] as const

/**
 * Collects unhandled rejections and uncaught exceptions during the test, so that they do not fail the test run. Returns a
 * function that returns the errors collected so far.
 */
export function watchProcess(): () => Promise<readonly unknown[]> {
  const seen: unknown[] = []
  const note = (error: unknown) => void seen.push(error)
  for (const name of names) {
    const earlier = process.listeners(name as 'uncaughtException')
    process.removeAllListeners(name)
    process.on(name, note)
    onTestFinished(() => {
      process.off(name, note)
      for (const listener of earlier) process.on(name, listener)
    })
  }
  return async () => {
    // Node.js reports an unhandled rejection at the end of a turn of the event loop.
    await setImmediate()
    await setImmediate()
    return seen
  }
}
