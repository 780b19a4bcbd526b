import { virtualClock } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { caseGroup } from '../src/storage-case.ts'
import type { CaseWorld } from '../src/storage-world.ts'

const world = {} as CaseWorld

/** Returns a virtual clock that caps the delay of its timers, as the machine's clock does. */
function cappedClock(): ReturnType<typeof virtualClock> {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  return { ...clock, setTimer: (delayMs, callback) => clock.setTimer(Math.min(delayMs, 1_000), callback) }
}

describe('the time limit of a case of the conformance kit', () => {
  it('is enforced by the case, whose error names the case and the limit', async () => {
    const clock = cappedClock()
    const hanging = caseGroup('claim', { hangs: () => new Promise<void>(() => {}) }, { timeoutMs: 90_000, clock })
    const outcome = hanging[0]?.run(world).then(
      () => 'passed',
      (error: unknown) => String(error),
    )
    await clock.advance(89_999)
    expect(await Promise.race([outcome, Promise.resolve('still running')])).toBe('still running')
    await clock.advance(1)
    expect(await outcome).toBe('Error: "claim: hangs" did not end within 90 seconds: a call of the storage may hang.')
  })

  it('leaves no timer in the process after the case has passed or failed within the limit', async () => {
    const timers = { set: 0, canceled: 0 }
    const clock = virtualClock('2026-01-01T00:00:00Z')
    const counting: typeof clock = {
      ...clock,
      setTimer(delayMs, callback) {
        const timer = clock.setTimer(delayMs, callback)
        timers.set += 1
        return {
          cancel() {
            timers.canceled += 1
            timer.cancel()
          },
        }
      },
    }
    const bodies = { passes: async () => {}, fails: async () => await Promise.reject(new Error('broken')) }
    const [passing, failing] = caseGroup('claim', bodies, { clock: counting })
    await passing?.run(world)
    await expect(failing?.run(world)).rejects.toThrow('broken')
    expect(timers).toEqual({ set: 2, canceled: 2 })
  })
})
