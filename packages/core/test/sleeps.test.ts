import { expect, it } from 'vitest'
import type { Clock } from '../src/clock.ts'
import { Sleeps } from '../src/engine/runtime/sleeps.ts'

/** A clock whose timers the test rings, and that counts the timers that keep the process alive. */
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

it('a sleep lasts its full duration, or until its signal fires', async () => {
  const { clock, timers, pass } = handClock()
  const sleeps = new Sleeps(clock)
  const controller = new AbortController()
  const woken: string[] = []
  const first = sleeps.sleep(100, controller.signal).then(() => woken.push('first'))
  const second = sleeps.sleep(200, controller.signal)
  pass(150)
  await first
  expect(woken).toEqual(['first'])
  controller.abort(new Error('stop'))
  await expect(second).rejects.toThrow('stop')
  expect(timers.size).toBe(0)
})

it('after the end of the engine no sleep keeps the process alive, and each still lasts its full duration', async () => {
  const { clock, timers, pass } = handClock()
  const sleeps = new Sleeps(clock)
  const { signal } = new AbortController()
  const woken: string[] = []
  const before = sleeps.sleep(100, signal).then(() => woken.push('before'))
  expect([...timers].map(({ keeps }) => keeps)).toEqual([true])
  pass(40)
  sleeps.end()
  const after = sleeps.sleep(100, signal).then(() => woken.push('after'))
  expect([...timers].map(({ at, keeps }) => ({ at, keeps }))).toEqual([
    { at: 100, keeps: false },
    { at: 140, keeps: false },
  ])
  pass(60)
  await before
  expect(woken).toEqual(['before'])
  pass(40)
  await after
  expect(timers.size).toBe(0)
})
