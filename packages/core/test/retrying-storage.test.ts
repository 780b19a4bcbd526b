import { describe, expect, it } from 'vitest'
import { Agenda, type SlotEntry } from '../src/engine/runtime/agenda.ts'
import { Batcher } from '../src/engine/storage-access/batcher.ts'
import { EngineStopped } from '../src/engine/runtime/background-loop.ts'
import { RetryingStorage } from '../src/engine/storage-access/retrying-storage.ts'
import { EventHub } from '../src/events.ts'
import type { Storage } from '../src/storage/storage.ts'
import type { Clock } from '../src/clock.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'
import { workClock } from './work-clock.ts'

const start = Date.UTC(2026, 0, 1)
const silent = { debug() {}, info() {}, warn() {}, error() {} }

function world(storage: Storage = {} as Storage) {
  // Leave out the member `track`. With it, the virtual clock would wait for storage calls, which the test ends itself.
  const { track: _, ...clock } = virtualClock(start)
  const agenda = new Agenda<SlotEntry>({ clock, wallNow: () => clock.now(), onSlotsDue() {} })
  const events = new EventHub(silent)
  const failures: number[] = []
  events.on('storage.failed', ({ attempt }) => failures.push(attempt))
  const caller = new RetryingStorage(storage, { clock, agenda, events, logger: silent })
  agenda.start()
  return { clock, agenda, caller, failures }
}

/** Makes a batcher that sends its entries with `call`. */
function batcherOf(storage: RetryingStorage, call: (items: readonly string[]) => Promise<never>) {
  const fail = (_where: string, error: unknown) => Promise.reject(error) as never
  const errors: unknown[] = []
  const batcher = new Batcher<string, string, never>(
    { storage, fail, maxBatch: 10, now: () => start },
    {
      operation: 'settle',
      make: (entry) => entry,
      send: (_storage, items) => call(items),
      answered() {},
      rejected() {},
      failed: (error) => errors.push(error),
    },
  )
  return { batcher, errors }
}

describe('a storage call that the engine repeats', () => {
  it('is rejected if the engine stops before the retry', async () => {
    const { clock, agenda, caller } = world()
    const ended = caller.repeated('get', () => Promise.reject(new Error('down'))).catch((error) => error)
    await clock.advance(10)
    caller.stop()
    agenda.stop()
    expect(await ended).toBeInstanceOf(EngineStopped)
  })

  it('is rejected if the storage fails after the engine has stopped', async () => {
    const { agenda, caller, failures } = world()
    let fail = (_error: Error) => {}
    const call = () =>
      new Promise<never>((_resolve, reject) => {
        fail = reject
      })
    const ended = caller.repeated('get', call).catch((error) => error)
    caller.stop()
    agenda.stop()
    fail(new Error('down'))
    expect(await ended).toBeInstanceOf(EngineStopped)
    expect(failures).toEqual([])
  })

  it('that fails with a single item after the engine has stopped causes no further call that probes the storage', async () => {
    let probes = 0
    const listJobs = async () => {
      probes++
      return { items: [], cursor: null }
    }
    const { clock, caller } = world({ listJobs } as unknown as Storage)
    let calls = 0
    let fail = (_error: Error) => {}
    const call = () => {
      // Each call has one item. The first three calls fail. The fourth call stays open until the test calls `fail`.
      if (++calls < 4) return Promise.reject(new Error('no'))
      return new Promise<never>((_resolve, reject) => {
        fail = reject
      })
    }
    const sent = batcherOf(caller, call).batcher.sendNow(['only'])
    for (let step = 0; step < 100 && calls < 4; step++) {
      await clock.advance(100)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect([calls, probes]).toEqual([4, 0])
    caller.stop()
    fail(new Error('no'))
    await sent
    await new Promise((resolve) => setImmediate(resolve))
    expect(probes).toBe(0)
  })

  it('that fails after the engine has stopped is not repeated with half of its items', async () => {
    const { clock, agenda, caller } = world()
    const calls: string[][] = []
    let fail = (_error: Error) => {}
    const call = (items: readonly string[]) => {
      calls.push([...items])
      // The first three calls fail. With the fourth call, the batcher begins to search for the failing item. The fourth call
      // stays open until the test calls `fail`.
      if (calls.length !== 4) return Promise.reject(new Error('no'))
      return new Promise<never>((_resolve, reject) => {
        fail = reject
      })
    }
    const { batcher, errors } = batcherOf(caller, call)
    const ended = batcher.sendNow(['a', 'b'])
    await clock.advance({ seconds: 5 })
    caller.stop()
    agenda.stop()
    fail(new Error('no'))
    await ended
    expect(errors).toEqual([expect.any(EngineStopped)])
    expect(calls).toEqual(Array.from({ length: 4 }, () => ['a', 'b']))
  })
})

it('a storage call of the engine is sent before waiting calls of users', async () => {
  const { agenda } = world()
  const clock = workClock()
  const options = { clock: clock as unknown as Clock, agenda, events: new EventHub(silent), logger: silent }
  const caller = new RetryingStorage({} as Storage, options)
  const order: string[] = []
  const user = async (name: string) => {
    order.push(name)
    clock.work(8)
  }
  const calls = ['first', 'second', 'third'].map((name) => caller.once(() => user(name)))
  calls.push(caller.once(async () => void order.push('heartbeat'), { isAsked: false }))
  await Promise.all(calls)
  expect(order).toEqual(['first', 'heartbeat', 'second', 'third'])
})
