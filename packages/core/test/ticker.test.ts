import { describe, expect, it } from 'vitest'
import type { Clock } from '../src/clock.ts'
import { type ErrorCode, JobistemerError } from '../src/errors.ts'
import type { Schedule, ScheduleType, ScheduleWindow } from '../src/schedule/schedule.ts'
import { type VirtualClock, virtualClock } from '../src/testing/virtual-clock.ts'
import { type Tick, ticker, type TickerOptions } from '../src/ticker.ts'
import { WindowedSchedule } from '../src/schedule/windowed-schedule.ts'

const noon = Date.UTC(2026, 0, 1, 12)
const second = 1000
const minute = 60 * second
const hour = 60 * minute

const everyType: ScheduleType = {
  name: 'every',
  revive: ({ milliseconds }) => new Every(Number(milliseconds)),
}

/** A schedule that fires every `milliseconds` since the epoch. */
class Every extends WindowedSchedule {
  readonly milliseconds: number

  constructor(milliseconds: number, window?: ScheduleWindow) {
    super(window)
    this.milliseconds = milliseconds
  }

  get type(): ScheduleType {
    return everyType
  }

  describe(): string {
    return `every ${this.milliseconds} ms`
  }

  toJSON(): { type: string; milliseconds: number } {
    return { type: everyType.name, milliseconds: this.milliseconds }
  }

  protected nextAfter(afterMs: number): number {
    return (Math.floor(afterMs / this.milliseconds) + 1) * this.milliseconds
  }

  protected previousBefore(beforeMs: number): number {
    return (Math.ceil(beforeMs / this.milliseconds) - 1) * this.milliseconds
  }
}

function startedTicker(schedule: Schedule, options: Omit<TickerOptions, 'clock'> = {}) {
  return startedOn(virtualClock(noon + 1), schedule, options)
}

function startedOn(clock: VirtualClock, schedule: Schedule, options: Omit<TickerOptions, 'clock'> = {}) {
  const live = ticker(schedule, { clock, ...options })
  const ticks: Tick[] = []
  const reading = (async () => {
    for await (const tick of live) ticks.push(tick)
  })()
  live.start()
  return { clock, live, ticks, reading, times: () => ticks.map((tick) => (tick.scheduledAt.getTime() - noon) / second) }
}

describe('a live ticker', () => {
  it('ticks at each instant of its schedule after its start', async () => {
    const { clock, live, ticks, times, reading } = startedTicker(new Every(10 * second))
    await clock.advance({ seconds: 35 })
    expect(times()).toEqual([10, 20, 30])
    expect(ticks[0]).toEqual({
      scheduledAt: new Date(noon + 10 * second),
      firedAt: new Date(noon + 10 * second),
      lateMs: 0,
      isLate: false,
      skipped: 0,
      dropped: 0,
    })
    live.stop()
    await reading
  })

  it('waits for an instant that is further away than the longest timer of Node.js allows', async () => {
    const { clock, live, times } = startedTicker(new Every(100 * 24 * hour))
    const due = live.nextRun()?.getTime() ?? 0
    await clock.advanceTo(due - 1)
    expect(times()).toEqual([])
    await clock.advance(1)
    expect(times()).toEqual([(due - noon) / second])
  })

  it('does not tick before `start`, and a second `start` has no effect', async () => {
    const clock = virtualClock(noon)
    const live = ticker(new Every(minute), { clock })
    const ticks: Tick[] = []
    void (async () => {
      for await (const tick of live) ticks.push(tick)
    })()
    expect(live.isEnabled).toBe(false)
    await clock.advance({ minutes: 3 })
    expect(ticks).toEqual([])
    live.start()
    live.start()
    expect(live.isEnabled).toBe(true)
    await clock.advance({ minutes: 2 })
    expect(ticks).toHaveLength(2)
  })

  it('returns the next instant from `nextRun`, even while the ticker is paused', async () => {
    const { clock, live } = startedTicker(new Every(minute))
    expect(live.nextRun()).toEqual(new Date(noon + minute))
    await clock.advance({ seconds: 90 })
    expect(live.nextRun()).toEqual(new Date(noon + 2 * minute))
    live.pause()
    await clock.advance({ minutes: 5 })
    expect(live.nextRun()).toEqual(new Date(noon + 7 * minute))
  })

  it('ends its iterations when it is stopped, and may then be started again', async () => {
    const { clock, live, times, reading } = startedTicker(new Every(minute))
    await clock.advance({ minutes: 1 })
    live.stop()
    await reading
    expect(live.isEnabled).toBe(false)
    await clock.advance({ minutes: 10 })
    expect(times()).toEqual([60])
    for await (const tick of live) throw new Error(`A stopped ticker ticked: ${tick.scheduledAt}`)

    live.start()
    const again = live[Symbol.asyncIterator]()
    await clock.advance({ minutes: 1 })
    expect((await again.next()).value?.scheduledAt).toEqual(new Date(noon + 12 * minute))
  })

  it('is stopped at the end of the scope of a `using` declaration', async () => {
    const clock = virtualClock(noon)
    const live = ticker(new Every(minute), { clock })
    {
      using scoped = live
      scoped.start()
      expect(live.isEnabled).toBe(true)
    }
    expect(live.isEnabled).toBe(false)
  })

  it('does not tick for instants that lie in a pause', async () => {
    const { clock, live, ticks, times } = startedTicker(new Every(minute))
    await clock.advance({ minutes: 1 })
    live.pause()
    expect([live.isPaused, live.isEnabled]).toEqual([true, true])
    await clock.advance({ minutes: 5 })
    live.resume()
    expect(live.isPaused).toBe(false)
    await clock.advance({ minutes: 1 })
    expect(times()).toEqual([60, 420])
    expect(ticks[1]).toMatchObject({ skipped: 0, isLate: false })
  })

  it('can be paused before it is started', async () => {
    const clock = virtualClock(noon)
    const live = ticker(new Every(minute), { clock })
    live.pause()
    live.start()
    const reader = live[Symbol.asyncIterator]()
    await clock.advance({ minutes: 2 })
    live.resume()
    await clock.advance({ minutes: 1 })
    expect((await reader.next()).value?.scheduledAt).toEqual(new Date(noon + 3 * minute))
  })

  it('is no longer active after the last instant of its schedule', async () => {
    const window = { startMs: noon + 2 * minute, endMs: noon + 3 * minute }
    const { clock, live, times, reading } = startedTicker(new Every(minute, window))
    expect(live.isActive).toBe(false)
    await clock.advance({ seconds: 150 })
    expect(live.isActive).toBe(true)
    await clock.advance({ minutes: 1 })
    await reading
    expect(times()).toEqual([120, 180])
    expect([live.isActive, live.isEnabled, live.nextRun()]).toEqual([false, false, null])
    live.start()
    expect(live.isEnabled).toBe(false)
  })

  it('is active only inside the window of its schedule, and always if the schedule has no window', () => {
    const bare: Schedule = {
      type: everyType,
      next: () => null,
      previous: () => null,
      between: () => [].values(),
      describe: () => 'never',
      toJSON: () => ({ type: 'never' }),
      nextMs: () => null,
      previousMs: () => null,
    }
    const clock = virtualClock(noon)
    const activeIn = (schedule: Schedule) => ticker(schedule, { clock }).isActive
    expect(activeIn(bare)).toBe(true)
    expect(activeIn({ ...bare, window: { startMs: noon, endMs: noon } })).toBe(true)
    expect(activeIn({ ...bare, window: { startMs: noon + 1, endMs: noon + minute } })).toBe(false)
    expect(activeIn({ ...bare, window: { startMs: noon - minute, endMs: noon - 1 } })).toBe(false)
  })
})

describe('a live ticker that wakes up late', () => {
  it('ticks once, for the newest due instant, and counts the skipped instants', async () => {
    const { clock, ticks } = startedTicker(new Every(second))
    await clock.advance({ seconds: 2 })
    await clock.jumpTo(noon + hour + 500)
    await clock.advance({ seconds: 2 })
    expect(
      ticks.slice(2).map(({ scheduledAt, skipped, isLate }) => [scheduledAt.getTime() - noon, skipped, isLate]),
    ).toEqual([
      [hour + second, 3598, true],
      [hour + 2 * second, 0, false],
    ])
  })

  it('marks a tick as late only if its delay exceeds `lateAfter`', async () => {
    const { clock, ticks } = startedTicker(new Every(hour), { lateAfter: { seconds: 30 } })
    await clock.jumpTo(noon + hour + 20 * second)
    await clock.advance({ minutes: 1 })
    await clock.jumpTo(noon + 2 * hour + 20 * minute)
    await clock.advance({ minutes: 1 })
    expect(ticks.map(({ isLate, skipped }) => [isLate, skipped])).toEqual([
      [true, 0],
      [true, 0],
    ])
    const { clock: patientClock, ticks: patientTicks } = startedTicker(new Every(hour), { lateAfter: 'PT2H' })
    await patientClock.jumpTo(noon + hour + 20 * minute)
    await patientClock.advance({ minutes: 1 })
    expect(patientTicks).toEqual([expect.objectContaining({ isLate: false, lateMs: 21 * minute })])
  })

  it('counts at most 10,000 skipped instants', async () => {
    const { clock, ticks } = startedTicker(new Every(second))
    await clock.jumpTo(noon + 30 * 24 * hour)
    await clock.advance({ seconds: 1 })
    expect(ticks[0]).toMatchObject({ skipped: 10_000, isLate: true })
  })

  it('does not repeat a tick after the clock was set back', async () => {
    const { clock, live, times } = startedTicker(new Every(minute))
    await clock.advance({ minutes: 2 })
    await clock.jumpTo(noon + 30 * second)
    await clock.advance({ minutes: 1 })
    live.pause()
    live.resume()
    await clock.advance({ minutes: 2 })
    expect(times()).toEqual([60, 120, 180])
  })
})

describe('a live ticker whose clock is wrong', () => {
  const year = 365 * 24 * hour

  it('ticks once for a short wrong reading of the clock, and continues as soon as the clock is corrected', async () => {
    const { clock, ticks, times } = startedTicker(new Every(second))
    await clock.advance({ seconds: 2 })
    await clock.jumpTo(noon + year)
    await clock.advance({ seconds: 1 })
    expect(times().slice(0, 3)).toEqual([1, 2, year / second])
    expect(ticks[2]).toMatchObject({ isLate: true, skipped: 10_000 })
    await clock.jumpTo(noon + 5 * second + 1)
    await clock.advance({ seconds: 3 })
    expect(times().filter((at) => at > 2 && at < year / second)).toEqual([6, 7, 8])
  })

  it('ticks once for all instants that a clock jump skips', async () => {
    const { clock, ticks, times } = startedTicker(new Every(second))
    await clock.advance({ seconds: 2 })
    await clock.jumpTo(noon + hour)
    await clock.advance({ seconds: 3 })
    expect(times()).toEqual([1, 2, 3600, 3601, 3602, 3603])
    expect(ticks[2]).toMatchObject({ isLate: true, skipped: 3597 })
  })

  it('ticks again for instants of a clock that was set back by more than an hour', async () => {
    const { clock, times } = startedTicker(new Every(30 * minute))
    await clock.advance({ minutes: 125 })
    await clock.jumpTo(noon + 65 * minute)
    await clock.advance({ hours: 1 })
    expect(times().map((at) => at / 60)).toEqual([30, 60, 90, 120])
    await clock.advance({ minutes: 30 })
    await clock.jumpTo(noon + 35 * minute)
    await clock.advance({ hours: 1 })
    expect(times().map((at) => at / 60)).toEqual([30, 60, 90, 120, 150, 60, 90])
  })

  it('ticks as soon as a clock that was wrong at the start of the ticker is corrected', async () => {
    const clock = virtualClock(noon + year)
    const { live, times } = startedOn(clock, new Every(minute))
    await clock.jumpTo(noon + second)
    await clock.advance({ minutes: 2 })
    expect(times()).toEqual([60, 120])
    expect(live.nextRun()).toEqual(new Date(noon + 3 * minute))
  })

  it('ticks on time after a `resume` that happened under a wrong clock', async () => {
    const { clock, live, times } = startedTicker(new Every(minute))
    await clock.advance({ seconds: 90 })
    live.pause()
    await clock.jumpTo(noon + year)
    live.resume()
    await clock.advance({ seconds: 5 })
    live.pause()
    live.resume()
    await clock.jumpTo(noon + 100 * second)
    await clock.advance({ minutes: 2 })
    expect(times()).toEqual([60, 120, 180])
  })

  it('does not tick for instants of a pause in which the machine slept', async () => {
    const { clock, live, ticks, times } = startedTicker(new Every(minute))
    await clock.advance({ seconds: 90 })
    live.pause()
    await clock.jumpTo(noon + hour + 50 * second)
    live.resume()
    await clock.advance({ minutes: 2 })
    expect(times()).toEqual([60, 3660, 3720])
    expect(ticks[1]).toMatchObject({ skipped: 0 })
  })

  it('follows small clock steps at once', async () => {
    const { clock, times } = startedTicker(new Every(second))
    await clock.advance({ seconds: 2 })
    await clock.jumpTo(noon + 6 * second)
    await clock.advance({ seconds: 1 })
    expect(times().at(-1)).toBe(7)
    await clock.jumpTo(noon + 4 * second)
    await clock.advance({ seconds: 5 })
    expect(times().slice(-2)).toEqual([8, 9])
  })
})

describe('ticks of a live ticker', () => {
  it('reach every reader, beginning with the first tick after the start of the reader’s iteration', async () => {
    const { clock, live, times } = startedTicker(new Every(minute))
    await clock.advance({ minutes: 1 })
    const later = live[Symbol.asyncIterator]()
    await clock.advance({ minutes: 1 })
    expect(times()).toEqual([60, 120])
    expect((await later.next()).value?.scheduledAt).toEqual(new Date(noon + 2 * minute))
  })

  it('are kept for a slow reader up to `maxUnread`, and the number of dropped ticks is counted', async () => {
    const clock = virtualClock(noon)
    const live = ticker(new Every(second), { clock, maxUnread: 3 })
    const lazy = live[Symbol.asyncIterator]()
    live.start()
    await clock.advance({ minutes: 1 })
    live.stop()
    const ticks: Tick[] = []
    for await (const tick of { [Symbol.asyncIterator]: () => lazy }) ticks.push(tick)
    expect(ticks.map(({ scheduledAt, dropped }) => [(scheduledAt.getTime() - noon) / second, dropped])).toEqual([
      [58, 57],
      [59, 0],
      [60, 0],
    ])
  })

  it('are delivered in order to several `next` calls that a reader makes before the ticks are due', async () => {
    const clock = virtualClock(noon)
    const live = ticker(new Every(minute), { clock })
    live.start()
    const reader = live[Symbol.asyncIterator]()
    const asked = Promise.all([reader.next(), reader.next(), reader.next()])
    await clock.advance({ minutes: 2 })
    live.stop()
    expect((await asked).map(({ value }) => value?.scheduledAt.getTime())).toEqual([
      noon + minute,
      noon + 2 * minute,
      undefined,
    ])
  })

  it('are not kept for a reader that has ended its iteration', async () => {
    const { clock, live } = startedTicker(new Every(minute))
    const reader = live[Symbol.asyncIterator]()
    await clock.advance({ minutes: 1 })
    await reader.return?.()
    await clock.advance({ minutes: 1 })
    expect(await reader.next()).toEqual({ done: true, value: undefined })
  })

  it('end at once for a reader that ends its iteration while a call of `next` is pending', async () => {
    const { live } = startedTicker(new Every(minute))
    const reader = live[Symbol.asyncIterator]()
    const pending = reader.next()
    expect(await reader.return?.()).toEqual({ done: true, value: undefined })
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(live.isEnabled).toBe(true)
  })

  it('end with an error if the schedule throws, and the ticker stops', async () => {
    let calls = 0
    class Faulty extends Every {
      override nextMs(afterMs: number): number | null {
        calls++
        if (calls > 1) throw new Error('No calendar')
        return super.nextMs(afterMs)
      }
    }
    const { clock, live, reading } = startedTicker(new Faulty(minute))
    const failed = expect(reading).rejects.toThrow('No calendar')
    await clock.advance({ minutes: 1 })
    await failed
    expect(live.isEnabled).toBe(false)
  })

  it.each<[string, (afterMs: number) => unknown]>([
    ['the instant that it was asked for', (afterMs) => Math.floor(afterMs)],
    ['an earlier instant', (afterMs) => afterMs - second],
    ['no number', () => Number.NaN],
    ['no end', () => Number.POSITIVE_INFINITY],
    ['nothing', () => undefined],
    ['a text', (afterMs) => String(afterMs + second)],
    ['a promise', async (afterMs) => afterMs + second],
  ])('end with an error if the schedule answers %s, and the ticker stops', async (_, answer) => {
    let calls = 0
    class Faulty extends Every {
      override nextMs(afterMs: number): number | null {
        calls++
        return calls === 1 ? super.nextMs(afterMs) : (answer(afterMs) as number)
      }
    }
    const { clock, live, reading, times } = startedTicker(new Faulty(minute))
    const failed = expect(reading).rejects.toMatchObject({ code: 'INVALID_SCHEDULE', field: 'schedule' })
    await clock.advance({ minutes: 5 })
    await failed
    expect(times()).toEqual([])
    expect([live.isEnabled, calls]).toEqual([false, 2])
  })

  it('end with an error if the schedule’s `previous` returns an instant that is not earlier than its argument', async () => {
    class Faulty extends Every {
      override previousMs(beforeMs: number): number {
        return beforeMs
      }
    }
    const { clock, reading } = startedTicker(new Faulty(minute))
    const failed = expect(reading).rejects.toMatchObject({ code: 'INVALID_SCHEDULE' })
    await clock.advance({ minutes: 1 })
    await failed
  })
})

describe('an invalid argument of `ticker`', () => {
  it.each<[unknown, unknown, ErrorCode, string]>([
    ['* * * * *', {}, 'INVALID_SCHEDULE', 'schedule'],
    [undefined, {}, 'INVALID_SCHEDULE', 'schedule'],
    [new Every(1), { buffer: 5 }, 'UNKNOWN_OPTION', 'buffer'],
    [new Every(1), { maxUnread: 0 }, 'INVALID_ARGUMENT', 'maxUnread'],
    [new Every(1), { lateAfter: 'soon' }, 'INVALID_DURATION', 'lateAfter'],
  ])(
    'the schedule %s with the options %o is refused with the error %s, which names the field %s',
    (schedule, options, code, field) => {
      try {
        ticker(schedule as Schedule, options as TickerOptions)
      } catch (error) {
        if (!JobistemerError.isInstance(error)) throw error
        expect([error.code, error.field]).toEqual([code, field])
        return
      }
      throw new Error('It was accepted')
    },
  )
})

it('each method of a live ticker throws if the schedule’s first answer is invalid, and the ticker does not start', () => {
  class Faulty extends Every {
    override nextMs(): number {
      return Number.NaN
    }
  }
  const live = ticker(new Faulty(minute), { clock: virtualClock(noon) })
  const refused = expect.objectContaining({ code: 'INVALID_SCHEDULE', field: 'schedule' })
  expect(() => live.nextRun()).toThrow(refused)
  expect(() => live.start()).toThrow(refused)
  expect(live.isEnabled).toBe(false)
})

describe('the timers of a live ticker', () => {
  it.each([
    [undefined, false],
    [true, false],
    [false, true],
  ])('with the option keepAlive %s let the process end by itself: %s', (keepAlive, unref) => {
    const clock = virtualClock(noon)
    const asked: unknown[] = []
    const watched: Clock = {
      ...clock,
      setTimer(delayMs, callback, options) {
        asked.push(options)
        return clock.setTimer(delayMs, callback, options)
      },
    }
    ticker(new Every(minute), { clock: watched, ...(keepAlive === undefined ? {} : { keepAlive }) }).start()
    expect(asked).toEqual([{ unref }])
  })

  it('are timers of Node.js by default', async () => {
    const live = ticker(new Every(5))
    live.start()
    const reader = live[Symbol.asyncIterator]()
    const first = await reader.next()
    const next = await reader.next()
    live.stop()
    expect(next.value?.scheduledAt.getTime()).toBeGreaterThanOrEqual((first.value?.scheduledAt.getTime() ?? 0) + 5)
  })
})
