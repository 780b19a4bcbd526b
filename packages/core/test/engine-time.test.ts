import { describe, expect, it } from 'vitest'
import type { Clock } from '../src/clock.ts'
import { Agenda } from '../src/engine/runtime/agenda.ts'
import type { EngineContext } from '../src/engine/storage-access/engine-context.ts'
import { RetryingStorage } from '../src/engine/storage-access/retrying-storage.ts'
import { EngineTime } from '../src/engine/time/engine-time.ts'
import { EventHub } from '../src/events.ts'
import type { Storage } from '../src/storage/storage.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'

const start = Date.UTC(2026, 0, 1)
const minute = 60_000
const silent = { debug() {}, info() {}, warn() {}, error() {} }

function world() {
  const truth = virtualClock(start)
  const node = { asleepMs: 0 }
  // After the sleep of a machine, its wall clock is right, but its monotonic clock has not counted the sleep.
  const clock: Clock = {
    now: () => truth.now() + node.asleepMs,
    monotonic: () => truth.monotonic(),
    setTimer: (delayMs, callback) => truth.setTimer(delayMs, callback),
  }
  const server = {
    offsetMs: 0,
    reads: 0,
    answer: (time: number): number => time,
    serve: async (read: () => number): Promise<number> => read(),
  }
  const storage = {
    capabilities: { maxBatch: 100, multiProcess: true, durability: 'process' },
    serverTime: async () => {
      server.reads++
      return await server.serve(() => server.answer(truth.now() + node.asleepMs + server.offsetMs))
    },
  } as unknown as Storage
  const events = new EventHub(silent)
  const agenda = new Agenda({ clock, wallNow: () => time.now(), onSlotsDue() {} })
  const failures: unknown[] = []
  const caller = new RetryingStorage(storage, { clock, agenda, events, logger: silent })
  const engine = {
    clock,
    agenda,
    storage: caller,
    events,
    logger: silent,
    fail: (_where: string, error: unknown) => failures.push(error),
  } as unknown as EngineContext
  const time = new EngineTime(engine, { storage, limitMs: 1000 })
  agenda.start()
  return { truth, node, server, time, failures, now: () => truth.now() + node.asleepMs + server.offsetMs }
}

describe('the engine time, read from the clock of the storage', () => {
  it('is read again after the storage gave an invalid instant', async () => {
    const { truth, server, time, failures, now } = world()
    await time.start()
    server.answer = () => Number.NaN
    await truth.advance(minute + 1)
    expect(failures).toMatchObject([{ code: 'STORAGE_FAILED' }])
    server.answer = (value) => value
    server.offsetMs = 4000
    await truth.advance(2 * minute)
    expect(failures).toHaveLength(1)
    expect(time.now()).toBe(now())
  })

  it('follows a change of the storage’s clock once the clock has kept the new time for a minute', async () => {
    const { truth, server, time, now } = world()
    await time.start()
    for (const offsetMs of [30 * minute, -30 * minute, 0]) {
      const before = server.offsetMs
      server.offsetMs = offsetMs
      await truth.advance(minute + 1)
      expect(time.isInDoubt).toBe(true)
      expect(time.now()).toBe(now() - offsetMs + before)
      await truth.advance(minute + 1)
      expect(time.isInDoubt).toBe(false)
      expect(time.now()).toBe(now())
    }
  })

  it('is read again at once if the machine slept between two readings, and adopts the storage clock’s new time after 15 s', async () => {
    const { truth, node, server, time, now } = world()
    server.answer = (value) => {
      if (server.reads !== 2) return value
      node.asleepMs = 30 * minute
      return value + node.asleepMs
    }
    await time.start()
    time.now()
    await truth.advance(10)
    expect(time.isInDoubt).toBe(true)
    expect(server.reads).toBe(6)
    await truth.advance(15_000)
    expect(time.isInDoubt).toBe(false)
    expect(time.now()).toBe(now())
  })

  it('ignores wrong readings that arrive after a correction of the storage’s clock', async () => {
    const { truth, server, time, now } = world()
    const wrongMs = 10_000
    server.answer = (value) => value + (truth.now() < start + wrongMs ? 30 * 24 * 60 * minute : 0)
    server.serve = async (read) => {
      const value = read()
      if (truth.now() >= start + wrongMs - 1000) await truth.sleep(8000)
      return value
    }
    const starting = time.start()
    await truth.advance(30_000)
    await starting
    expect(time.isInDoubt).toBe(false)
    expect(time.now()).toBe(now())
  })

  it('ignores the storage’s clock while the offset of this clock changes from one reading to the next', async () => {
    const { truth, server, time } = world()
    await time.start()
    server.answer = (value) => value + (10 + (server.reads % 2)) * minute
    await truth.advance(10 * minute)
    expect(time.isInDoubt).toBe(true)
    expect(time.now()).toBe(truth.now())
    server.answer = (value) => value
    await truth.advance(1000)
    expect(time.isInDoubt).toBe(false)
  })

  it('takes the answer of the storage as the time at the middle of the call', async () => {
    const { truth, server, time } = world()
    server.offsetMs = 3 * minute
    server.serve = async (read) => {
      await truth.sleep(300)
      const value = read()
      await truth.sleep(500)
      return value
    }
    const starting = time.start()
    await truth.advance(20 * minute)
    await starting
    // The call took 800 ms. The storage read its clock after 300 ms, but the engine assumes the middle of the call, 400 ms.
    // So the engine's time is 100 ms behind the storage's clock.
    expect(time.now()).toBe(truth.now() + 3 * minute - 100)
  })

  it('takes the answer of the fastest of three calls', async () => {
    for (const quickest of [0, 1, 2]) {
      const { truth, server, time } = world()
      server.offsetMs = 4000
      // Two of three reads take 600 ms longer. The longer a read takes, the less certain is its time. So the engine must use
      // the quick read.
      server.serve = async (read) => {
        const isQuick = (server.reads + 2) % 3 === quickest
        const value = read()
        if (!isQuick) await truth.sleep(600)
        return value
      }
      const starting = time.start()
      await truth.advance(2000)
      await starting
      expect(time.now()).toBe(truth.now() + 4000)
    }
  })
})
