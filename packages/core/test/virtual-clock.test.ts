import { executionAsyncResource } from 'node:async_hooks'
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { type VirtualClock, virtualClock } from '../src/testing/virtual-clock.ts'
import { countTimers } from './support/count-timers.ts'
import { refusalOf } from './support/thrown-by.ts'

const start = Date.UTC(2026, 0, 1)

/** Makes a clock, and a log of when `note` was called, in milliseconds since the start of the clock. */
function world(): { clock: VirtualClock; log: [string, number][]; note: (name: string) => () => void } {
  const clock = virtualClock(start)
  const log: [string, number][] = []
  return { clock, log, note: (name) => () => log.push([name, clock.monotonic()]) }
}

describe('a virtual clock', () => {
  it.each([start, new Date(start), '2026-01-01T00:00:00Z'])('starts at %s and stands still', async (instant) => {
    const clock = virtualClock(instant)
    await clock.settle()
    expect([clock.now(), clock.monotonic()]).toEqual([start, 0])
  })

  it('moves its wall time and its monotonic time by `advance` and `advanceTo`', async () => {
    const { clock } = world()
    await clock.advance({ minutes: 5 })
    await clock.advance('PT1S')
    expect([clock.now(), clock.monotonic()]).toEqual([start + 301_000, 301_000])
    await clock.advanceTo('2026-01-02T00:00:00Z')
    expect(clock.monotonic()).toBe(86_400_000)
  })

  it('calls timers in the order of their instants, each at its instant', async () => {
    const { clock, log, note } = world()
    clock.setTimer(300, note('late'))
    clock.setTimer(100, note('early'))
    clock.setTimer(0, note('now'))
    clock.setTimer(-5, note('past'))
    await clock.advance(200)
    expect(log.slice(0, 2).map(([, at]) => at)).toEqual([0, 0])
    expect(log.slice(2)).toEqual([['early', 100]])
    await clock.advance(100)
    expect(log.at(-1)).toEqual(['late', 300])
  })

  it('calls timers of one instant in the order in which they were set, all in one turn of the event loop', async () => {
    const { clock, log, note } = world()
    let turns = 0
    const delays = [100, 50, 100, 100, 50, 100]
    for (const [index, delay] of delays.entries()) {
      clock.setTimer(delay, () => {
        note(`${index} in turn ${turns}`)()
        setImmediate(() => turns++)
      })
    }
    await clock.advance(100)
    expect(log).toEqual([
      ['1 in turn 0', 50],
      ['4 in turn 0', 50],
      ['0 in turn 2', 100],
      ['2 in turn 2', 100],
      ['3 in turn 2', 100],
      ['5 in turn 2', 100],
    ])
  })

  it('lets the callback of a timer cancel a later timer of the same instant', async () => {
    const { clock, log, note } = world()
    clock.setTimer(100, () => later.cancel())
    const later = clock.setTimer(100, note('cancelled'))
    await clock.advance(100)
    expect(log).toEqual([])
  })

  it('calls timers that callbacks set, if these timers are due before the clock has reached its target instant', async () => {
    const { clock, log, note } = world()
    clock.setTimer(100, () => {
      clock.setTimer(50, note('inside'))
      clock.setTimer(500, note('outside'))
    })
    await clock.advance(200)
    expect(log).toEqual([['inside', 150]])
  })

  it('calls no cancelled timer, and no timer twice', async () => {
    const { clock, log, note } = world()
    const timer = clock.setTimer(100, note('cancelled'))
    const called = clock.setTimer(50, note('called'))
    timer.cancel()
    await clock.advance(200)
    called.cancel()
    timer.cancel()
    await clock.advance(200)
    expect(log).toEqual([['called', 50]])
  })

  it('calls a timer of several hours once, at its time', async () => {
    const { clock, log, note } = world()
    clock.setTimer(3 * 3_600_000, note('timer'))
    await clock.advance({ days: 1 })
    expect(log).toEqual([['timer', 3 * 3_600_000]])
  })

  it('after a jump of its wall time, calls each timer at its own time or one minute after the jump, whichever is earlier', async () => {
    const { clock, log, note } = world()
    clock.setTimer(3_600_000, note('late'))
    clock.setTimer(30_000, note('early'))
    clock.setTimer(7_200_000, note('latest'))
    await clock.advance(10_000)
    await clock.jumpTo(start + 3_600_000)
    await clock.advance(60_000)
    expect(log).toEqual([
      ['early', 30_000],
      ['late', 70_000],
      ['latest', 70_000],
    ])
  })

  it('lets work that only awaits promises finish before its time moves', async () => {
    const { clock, log, note } = world()
    clock.setTimer(100, async () => {
      for (let turn = 0; turn < 50; turn++) await Promise.resolve()
      note('done')()
      clock.setTimer(10, note('follow-up'))
    })
    await clock.advance(1000)
    expect(log).toEqual([
      ['done', 100],
      ['follow-up', 110],
    ])
  })

  it('waits for tracked calls before its time moves, however long the calls take in real time', async () => {
    const { clock, log, note } = world()
    const read = (): Promise<unknown> => readFile(new URL(import.meta.url))
    const readOften = async (): Promise<void> => {
      for (let count = 0; count < 50; count++) await read()
    }
    const calls = [read, readOften, () => Promise.reject(new Error('no'))]
    clock.setTimer(100, async () => {
      for (const call of calls) {
        const answer = call()
        clock.track?.(answer)
        // One of the calls rejects on purpose: the clock must also continue after a rejected call.
        await answer.catch(() => undefined)
        note('answered')()
      }
    })
    await clock.advance(1000)
    expect(log).toEqual(calls.map(() => ['answered', 100]))
  })

  it('does not wait for work that sleeps on this clock', async () => {
    const clock = virtualClock(start, { patience: { minutes: 10 } })
    let isDone = false
    clock.perform?.(async () => {
      await clock.sleep({ minutes: 1 })
      isDone = true
    })
    await clock.advance({ minutes: 1 })
    expect(isDone).toBe(true)
  })

  it('waits for its patience if work sleeps on this clock inside work on another virtual clock', async () => {
    const [outer, inner] = [virtualClock(start, { patience: 50 }), virtualClock(start)]
    let isDone = false
    outer.perform?.(async () => {
      await inner.perform?.(() => outer.sleep({ minutes: 1 }))
      isDone = true
    })
    const begun = performance.now()
    await outer.advance({ minutes: 1 })
    expect(performance.now() - begun).toBeGreaterThanOrEqual(45)
    expect(isDone).toBe(true)
  })

  it('creates no async context that slows down later promises', async () => {
    const carried = async () => {
      let properties = 0
      await virtualClock(start).perform?.(async () => {
        await Promise.resolve()
        properties = Object.getOwnPropertySymbols(executionAsyncResource()).length
      })
      return properties
    }
    const first = await carried()
    for (let clocks = 0; clocks < 10; clocks++) await carried()
    expect(await carried()).toBe(first)
  })

  it('moves its wall time with `jumpTo` forward or back, and does not change its monotonic time', async () => {
    const { clock, log, note } = world()
    clock.setTimer(100, note('timer'))
    await clock.jumpTo(start + 3_600_000)
    expect([clock.now(), clock.monotonic(), log]).toEqual([start + 3_600_000, 0, []])
    await clock.jumpTo(start - 3_600_000)
    await clock.advance(100)
    expect([clock.now(), clock.monotonic(), log]).toEqual([start - 3_600_000 + 100, 100, [['timer', 100]]])
  })

  it('rejects `advanceTo` with a past instant, and the error names `jumpTo` as the remedy', async () => {
    const { clock } = world()
    const error = await clock.advanceTo(start - 1).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'INVALID_INSTANT', field: 'instant', value: start - 1 })
    expect((error as Error).message).toContain('jumpTo')
    expect(clock.now()).toBe(start)
  })

  it('rejects an invalid instant or duration', async () => {
    const { clock } = world()
    expect(refusalOf(() => virtualClock('soon'))).toEqual({ code: 'INVALID_INSTANT', field: 'start', value: 'soon' })
    await expect(clock.advance(-1)).rejects.toMatchObject({ code: 'INVALID_DURATION' })
    await expect(clock.sleep('soon')).rejects.toMatchObject({ code: 'INVALID_DURATION' })
  })
})

describe('a sleep on a virtual clock', () => {
  it('ends after its duration, even after days', async () => {
    const { clock, log, note } = world()
    void clock.sleep({ days: 3 }).then(note('awake'))
    await clock.advance({ days: 2 })
    expect(log).toEqual([])
    await clock.advance({ days: 2 })
    expect(log).toEqual([['awake', 3 * 86_400_000]])
  })

  it('ends at once if it has a duration of 0 ms', async () => {
    const { clock, log, note } = world()
    void clock.sleep(0).then(note('awake'))
    await clock.settle()
    expect(log).toEqual([['awake', 0]])
  })

  it('rejects early with the reason of its signal, and leaves no timer', async () => {
    const { clock } = world()
    const timers = countTimers(clock)
    const controller = new AbortController()
    const reason = new Error('enough')
    const sleeping = clock.sleep(1000, controller.signal)
    await clock.advance(500)
    controller.abort(reason)
    await expect(sleeping).rejects.toBe(reason)
    expect(timers.set).toBe(0)
  })

  it('rejects at once if its signal was aborted before', async () => {
    const { clock } = world()
    const reason = new Error('enough')
    await expect(clock.sleep(1000, AbortSignal.abort(reason))).rejects.toBe(reason)
  })

  it('leaves no listener on its signal after it has ended', async () => {
    const { clock, log, note } = world()
    const controller = new AbortController()
    void clock.sleep(1000, controller.signal).then(note('awake'))
    await clock.advance(1000)
    controller.abort()
    await clock.settle()
    expect(log).toEqual([['awake', 1000]])
  })
})
