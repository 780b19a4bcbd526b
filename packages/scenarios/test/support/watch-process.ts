import { setImmediate } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

const names = ['unhandledRejection', 'uncaughtException'] as const

/**
 * What nobody catches while the test runs, in place of the test runner, which would fail for it. The returned function
 * answers what has come so far.
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
    // Node tells of a rejection when a turn of the event loop is over.
    await setImmediate()
    await setImmediate()
    return seen
  }
}
