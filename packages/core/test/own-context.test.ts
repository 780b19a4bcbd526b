import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import { AfterTurn } from '../src/engine/runtime/after-turn.ts'
import { Agenda, type SlotEntry } from '../src/engine/runtime/agenda.ts'
import { BackgroundLoop } from '../src/engine/runtime/background-loop.ts'
import { OwnContext } from '../src/engine/runtime/own-context.ts'
import { systemClock } from '../src/system-clock.ts'

const request = new AsyncLocalStorage<string>()

function newAgenda(): Agenda<SlotEntry> {
  return new Agenda<SlotEntry>({ clock: systemClock, wallNow: () => systemClock.now(), onSlotsDue() {} })
}

describe('an OwnContext', () => {
  it('runs callbacks in the async context in which it was created, and does not change the async context of its caller', () => {
    const made = request.run('maker', () => new OwnContext())
    request.run('caller', () => {
      expect(made.run(() => request.getStore())).toBe('maker')
      expect(request.getStore()).toBe('caller')
      expect(() =>
        made.run(() => {
          throw new Error('no')
        }),
      ).toThrow('no')
      expect(request.getStore()).toBe('caller')
    })
  })

  it('does not keep a value that a callback sets with enterWith', () => {
    const made = new OwnContext()
    made.run(() => request.enterWith('entered'))
    expect(request.getStore()).toBe(undefined)
    expect(made.run(() => request.getStore())).toBe(undefined)
  })

  it('keeps its async context after a callback has awaited a promise', async () => {
    const made = request.run('maker', () => new OwnContext())
    const seen = await request.run('caller', () =>
      made.run(async () => {
        await new Promise((resolve) => setImmediate(resolve))
        return request.getStore()
      }),
    )
    expect(seen).toBe('maker')
  })
})

describe('shared work runs outside of the async context of its requester', () => {
  it('when an alarm runs the work', async () => {
    const agenda = newAgenda()
    agenda.start()
    const seen = await new Promise((resolve) => {
      const alarm = { at: 0, heapIndex: -1, ring: () => resolve(request.getStore()) }
      request.run('7', () => agenda.setAlarm(alarm, 1))
    })
    agenda.stop()
    expect(seen).toBe(undefined)
  })

  it('when AfterTurn runs the work', async () => {
    const seen = await new Promise((resolve) => {
      const work = new AfterTurn(() => resolve(request.getStore()))
      request.run('7', () => work.ask())
    })
    expect(seen).toBe(undefined)
  })

  it('when a background loop runs the work, even in a round that was requested during another round', async () => {
    const seen: unknown[] = []
    const round = async (): Promise<void> => {
      seen.push(request.getStore())
      await new Promise((resolve) => setImmediate(resolve))
      seen.push(request.getStore())
    }
    const fail = (_where: string, error: unknown): never => {
      throw error
    }
    const loop = new BackgroundLoop({ agenda: newAgenda(), fail }, { name: 'work', round })
    request.run('7', () => loop.run())
    request.run('8', () => loop.run())
    await loop.underWay
    await loop.underWay
    await loop.stop()
    expect(seen).toEqual([undefined, undefined, undefined, undefined])
  })
})
