import { describe, expect, it } from 'vitest'
import type { Clock } from '../src/clock.ts'
import { Agenda } from '../src/engine/loop/agenda.ts'
import type { EngineContext } from '../src/engine/loop/engine-context.ts'
import { StorageCaller } from '../src/engine/loop/storage-caller.ts'
import { StorageTime } from '../src/engine/time/storage-time.ts'
import { EventHub } from '../src/events.ts'
import type { Storage } from '../src/storage/storage.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'

const start = Date.UTC(2026, 0, 1)
const minute = 60_000
const silent = { debug() {}, info() {}, warn() {}, error() {} }

function world() {
  const truth = virtualClock(start)
  const node = { asleepMs: 0 }
  // Of a machine that sleeps, the wall clock is right again when it wakes; its monotonic clock knows nothing of it.
  const clock: Clock = {
    now: () => truth.now() + node.asleepMs,
    monotonic: () => truth.monotonic(),
    setTimer: (delayMs, callback) => truth.setTimer(delayMs, callback),
  }
  const server = { offsetMs: 0, reads: 0, answer: (time: number): number => time }
  const storage = {
    capabilities: { maxBatch: 100, multiProcess: true, durability: 'process' },
    serverTime: async () => {
      server.reads++
      return server.answer(truth.now() + node.asleepMs + server.offsetMs)
    },
  } as unknown as Storage
  const events = new EventHub()
  const agenda = new Agenda({ clock, wallNow: () => time.now(), onSlotsDue() {} })
  const failures: unknown[] = []
  const caller = new StorageCaller({ storage, clock, agenda, events, logger: silent })
  const engine = {
    clock,
    agenda,
    storage: caller,
    events,
    logger: silent,
    fail: (_where: string, error: unknown) => failures.push(error),
  } as unknown as EngineContext
  const time = new StorageTime(engine, { storage, limitMs: 1000 })
  agenda.start()
  return { truth, node, server, time, failures, now: () => truth.now() + node.asleepMs + server.offsetMs }
}

describe('the time that is read from a storage', () => {
  it('is read again after an answer that was none', async () => {
    const { truth, server, time, failures, now } = world()
    await time.start()
    server.answer = () => Number.NaN
    await truth.advance(minute + 1)
    expect(failures).toMatchObject([{ code: 'STORAGE_FAILED' }])
    server.answer = (value) => value
    server.offsetMs = 7 * minute
    await truth.advance(2 * minute)
    expect(failures).toHaveLength(1)
    expect(time.now()).toBe(now())
  })

  it('follows a clock of the storage that is set, forward and back', async () => {
    const { truth, server, time, now } = world()
    await time.start()
    for (const offsetMs of [30 * minute, -30 * minute, 0]) {
      server.offsetMs = offsetMs
      await truth.advance(minute + 1)
      expect(time.now()).toBe(now())
    }
  })

  it('is read again at once when the machine has slept between two readings', async () => {
    const { truth, node, server, time, now } = world()
    server.answer = (value) => {
      if (server.reads !== 2) return value
      node.asleepMs = 30 * minute
      return value + node.asleepMs
    }
    await time.start()
    time.now()
    await truth.advance(10)
    expect(time.now()).toBe(now())
  })
})
