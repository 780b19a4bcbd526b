import { expect, it } from 'vitest'
import { Engine } from '../src/engine/engine.ts'
import { EngineStopped } from '../src/engine/runtime/background-loop.ts'
import { JobistemerError } from '../src/errors.ts'
import { readSchedulerOptions } from '../src/scheduler-options.ts'
import type { Storage } from '../src/storage/storage.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'

function foreign(): Promise<never> {
  return Promise.reject(new JobistemerError('STORAGE_FOREIGN', { message: 'No.' }))
}

/**
 * Makes an engine whose start fails, because its storage rejects with `STORAGE_FOREIGN`. The engine also begins the storage
 * call `call`.
 */
function world(call: () => Promise<never>) {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const capabilities = { maxBatch: 100, multiProcess: true, durability: 'process' }
  const heartbeat = async () => ({ nodes: [], profiles: [] })
  const storage = { specVersion: 1, capabilities, heartbeat, listJobs: foreign } as unknown as Storage
  const engine = Engine.make(readSchedulerOptions({ storage, clock }))
  const told: unknown[] = []
  engine.events.on('storage.failed', ({ operation }) => told.push(operation))
  let ending: unknown = 'none'
  engine.storage.repeated('serverTime', call).catch((error) => {
    ending = error
  })
  return { clock, engine, told, ending: () => ending }
}

it('each storage call that waits for a retry rejects if the start of the engine fails', async () => {
  const { clock, engine, told, ending } = world(() => Promise.reject(new Error('down')))
  await clock.settle()
  await expect(engine.start()).rejects.toMatchObject({ code: 'STORAGE_FOREIGN' })
  await clock.settle()
  expect(ending()).toBeInstanceOf(EngineStopped)
  expect(told).toEqual(['serverTime'])
})

it('after its start has failed, the engine does not retry a storage call that fails', async () => {
  let fail = (_error: Error) => {}
  const call = new Promise<never>((_resolve, reject) => {
    fail = reject
  })
  const { clock, engine, told, ending } = world(() => call)
  await expect(engine.start()).rejects.toMatchObject({ code: 'STORAGE_FOREIGN' })
  fail(new Error('down'))
  await clock.settle()
  expect(ending()).toBeInstanceOf(EngineStopped)
  expect(told).toEqual([])
})
