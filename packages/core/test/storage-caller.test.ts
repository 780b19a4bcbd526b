import { describe, expect, it } from 'vitest'
import { Agenda } from '../src/engine/loop/agenda.ts'
import type { SlotEntry } from '../src/engine/loop/slot-levels.ts'
import { EngineStopped, StorageCaller } from '../src/engine/loop/storage-caller.ts'
import { EventHub } from '../src/events.ts'
import type { Storage } from '../src/storage/storage.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'

const start = Date.UTC(2026, 0, 1)
const silent = { debug() {}, info() {}, warn() {}, error() {} }

function world() {
  const clock = virtualClock(start)
  const agenda = new Agenda<SlotEntry>({ clock, wallNow: () => clock.now(), onSlotsDue() {} })
  const events = new EventHub(silent)
  const failures: number[] = []
  events.on('storage.failed', ({ attempt }) => failures.push(attempt))
  const caller = new StorageCaller({ storage: {} as Storage, clock, agenda, events, logger: silent })
  agenda.start()
  return { clock, agenda, caller, failures }
}

describe('calls of a storage that are repeated', () => {
  it('end when the engine stops while they wait to be repeated', async () => {
    const { clock, agenda, caller } = world()
    const ended = caller.repeated('get', () => Promise.reject(new Error('down'))).catch((error) => error)
    await clock.advance(10)
    caller.stop()
    agenda.stop()
    expect(await ended).toBeInstanceOf(EngineStopped)
  })

  it('end when the storage fails only after the engine has stopped', async () => {
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
})
