import {
  type Clock,
  createScheduler,
  defineJob,
  type GaugeValues,
  type Scheduler,
  type SchedulerOptions,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { WrongClock } from '../support/wrong-clock.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const minute = 60_000
const start = Date.parse('2026-01-01T00:00:00Z')

/** Wraps a storage so that its server time comes from the given clock. */
function withClock(storage: Storage, clock: Clock, resolutionMs = 1): Storage {
  return wrapStorage(storage, {
    capabilities: { ...storage.capabilities, serverTimeResolutionMs: resolutionMs },
    serverTime: async () => Math.floor(clock.now() / resolutionMs) * resolutionMs,
    subscribe: undefined,
  })
}

function setUp(options: { readonly resolutionMs?: number; readonly executionTimeoutMs?: number } = {}) {
  const clock = virtualClock(start)
  const storageClock = new WrongClock(clock, 0)
  const database = memoryDatabase()
  const fired: number[] = []
  const job = defineJob({
    name: 'job',
    schedule: everySeconds(600),
    executionTimeout: options.executionTimeoutMs ?? 30 * minute,
    taskTimeout: { minutes: 40 },
    tasks: [
      {
        name: 'work',
        async run() {
          fired.push(clock.now() - start)
          if (options.executionTimeoutMs !== undefined) await clock.sleep(options.executionTimeoutMs - minute)
        },
      },
    ],
  })
  const node = (offsetMs: number, more: Partial<SchedulerOptions> = {}) => {
    const nodeClock = new WrongClock(clock, offsetMs)
    const scheduler = createScheduler({
      storage: withClock(memoryStorage({ database }), storageClock, options.resolutionMs),
      jobs: [job],
      clock: nodeClock,
      ...tuned({ maxClockSkew: { seconds: 2 } }),
      ...more,
    })
    const skews: number[] = []
    scheduler.on('clock.skewed', ({ skewMs }) => skews.push(skewMs))
    return { scheduler, skews, nodeClock }
  }
  const stop = async (...schedulers: readonly Scheduler[]) => {
    const stopped = schedulers.map((one) => one.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
    await clock.advance({ seconds: 1 })
    await Promise.all(stopped)
  }
  return { clock, storageClock, job, fired, storage: () => memoryStorage({ database }), node, stop }
}

describe('a node on a storage with its own clock', () => {
  it.each([
    ['ahead', 5 * minute],
    ['behind', -5 * minute],
  ])(
    "fires by the storage's clock although the node's clock is 5 minutes %s, and emits `clock.skewed`",
    async (_, offsetMs) => {
      const { clock, fired, node, stop } = setUp()
      let gauges: (() => Promise<GaugeValues>) | undefined
      const { scheduler, skews } = node(offsetMs, {
        metrics: {
          increment() {},
          observe() {},
          set() {},
          removeJob() {},
          gauges: (read) => {
            gauges = read
          },
        },
      })
      const starting = scheduler.start()
      // For the first 15 s the node cannot tell which of the two clocks is wrong, so it reports no skew.
      await clock.advance({ seconds: 14 })
      expect(skews).toEqual([])
      await clock.advanceTo(start + 35 * minute)
      await starting
      expect(fired).toEqual([10 * minute, 20 * minute, 30 * minute])
      expect(skews).toEqual([offsetMs])
      expect(await gauges?.()).toMatchObject({ scheduler_clock_skew_seconds: offsetMs / 1000 })
      await stop(scheduler)
    },
  )

  it("fires in time although the node's own clock is set to a wrong time, and emits `clock.skewed` once", async () => {
    const { clock, fired, node, stop } = setUp()
    const { scheduler, skews, nodeClock } = node(0)
    await scheduler.start()
    await clock.advance({ minutes: 15 })
    nodeClock.offsetMs = 60 * minute
    await clock.advance({ minutes: 10 })
    nodeClock.offsetMs = -60 * minute
    await clock.advance({ minutes: 10 })
    expect(fired).toEqual([10 * minute, 20 * minute, 30 * minute])
    expect(skews).toEqual([60 * minute])
    await stop(scheduler)
  })

  it.each([
    ['forward past a slot', 30_000, 9 * minute + 30_500, 2 * minute],
    ['forward, to shortly before a slot', 30_000, 7 * minute + 50_000, 2 * minute + 10_000],
    ['back', 8.5 * minute, -5 * minute, 15 * minute],
  ])(
    "fires by the new time of the storage's clock, which was set %s, after the node has read this time for a minute",
    async (_, setAt, byMs, firesAt) => {
      const { clock, storageClock, fired, node, stop } = setUp()
      const rarely = { hours: 1 }
      const { scheduler } = node(0, {
        pollInterval: rarely,
        ...tuned({ reapInterval: rarely, definitionInterval: rarely }),
      })
      await scheduler.start()
      await clock.advance(setAt)
      storageClock.offsetMs = byMs
      await clock.advanceTo(start + firesAt + 5 * minute)
      expect(fired).toEqual([firesAt])
      await stop(scheduler)
    },
  )

  it('reaps no running occurrence when the node starts with its own clock an hour ahead', async () => {
    const { clock, node, stop } = setUp({ executionTimeoutMs: 8 * minute })
    const right = node(0).scheduler
    await right.start()
    await clock.advance({ minutes: 11 })
    const ahead = node(60 * minute).scheduler
    const starting = ahead.start()
    await clock.advance({ minutes: 8 })
    await starting
    const [first] = (await right.occurrences({ job: 'job' })).items
    expect(first).toMatchObject({ state: 'completed', fencingToken: 1 })
    await stop(right, ahead)
  })

  it("ignores the storage's clock if the node's own clock is virtual", async () => {
    const { clock, job, fired, storage, stop } = setUp()
    const scheduler = createScheduler({
      storage: withClock(storage(), new WrongClock(clock, 60 * minute)),
      jobs: [job],
      clock,
    })
    await scheduler.start()
    await clock.advance({ minutes: 15 })
    expect(fired).toEqual([10 * minute])
    await stop(scheduler)
  })

  it("uses the node's own clock if the storage's clock has a resolution of only one second", async () => {
    const { clock, fired, node, stop } = setUp({ resolutionMs: 1000 })
    await clock.advance(400)
    const { scheduler, skews } = node(-300)
    await scheduler.start()
    await clock.advanceTo(start + 11 * minute)
    expect(fired).toEqual([10 * minute + 300])
    expect(skews).toEqual([])
    await stop(scheduler)
  })
})
