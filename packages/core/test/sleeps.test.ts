import { expect, it } from 'vitest'
import type { Clock } from '../src/clock.ts'
import { sleepInHandler } from '../src/sleep.ts'

/** Makes a clock whose timers the test fires. `timers` tells which timers keep the process alive. */
function handClock() {
  let now = 0
  const timers = new Set<{ readonly at: number; readonly ring: () => void; readonly keeps: boolean }>()
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    setTimer(delayMs, ring, options) {
      const timer = { at: now + delayMs, ring, keeps: options?.unref !== true }
      timers.add(timer)
      return { cancel: () => timers.delete(timer) }
    },
  }
  return {
    clock,
    timers,
    pass(milliseconds: number) {
      now += milliseconds
      for (const timer of [...timers]) {
        if (timer.at > now) continue
        timers.delete(timer)
        timer.ring()
      }
    },
  }
}

it('`context.sleep` lasts its full duration, or until its signal aborts', async () => {
  const { clock, timers, pass } = handClock()
  const controller = new AbortController()
  const woken: string[] = []
  const first = sleepInHandler(clock, 100, controller.signal).then(() => woken.push('first'))
  const second = sleepInHandler(clock, 200, controller.signal)
  pass(150)
  await first
  expect(woken).toEqual(['first'])
  controller.abort(new Error('stop'))
  await expect(second).rejects.toThrow('stop')
  expect(timers.size).toBe(0)
})

it('`context.sleep` in a handler does not keep the process alive', async () => {
  const { clock, timers, pass } = handClock()
  const sleep = sleepInHandler(clock, 100, new AbortController().signal)
  expect([...timers].map(({ keeps }) => keeps)).toEqual([false])
  pass(100)
  await sleep
  expect(timers.size).toBe(0)
})
