import { describe, expect, it } from 'vitest'
import { CallerContext } from '../src/engine/storage-access/caller-context.ts'
import { nextTurn } from '../src/engine/runtime/after-turn.ts'
import { Entrance } from '../src/engine/storage-access/entrance.ts'
import { RetryingStorage } from '../src/engine/storage-access/retrying-storage.ts'
import { systemClock } from '../src/system-clock.ts'

function call(options: { readonly timeout?: number; readonly signal?: AbortSignal } = {}): CallerContext {
  return new CallerContext(RetryingStorage.prototype, systemClock, options, 10_000)
}

/** An entrance whose connections the test ends. */
function closedEntrance() {
  const connections: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = []
  const entrance = new Entrance(() => {
    return new Promise<void>((resolve, reject) => {
      connections.push({ resolve, reject })
    })
  })
  return { entrance, connections }
}

describe('calls before a client has connected', () => {
  it('connect once and enter in order, at most 500 per turn of the event loop', async () => {
    const { entrance, connections } = closedEntrance()
    const entered: number[] = []
    const calls = Array.from({ length: 1800 }, (_, index) => entrance.enter(call()).then(() => entered.push(index)))
    expect(connections).toHaveLength(1)
    connections[0]?.resolve()
    const perTurn: number[] = []
    for (let before = 0; entered.length < calls.length; before = entered.length) {
      await nextTurn()
      perTurn.push(entered.length - before)
    }
    await Promise.all(calls)
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(500)
    expect(entered).toEqual(entered.toSorted((one, other) => one - other))
    expect(entrance.isEmpty).toBe(true)
  })

  it('reject with the error of the connection, and the next call connects again', async () => {
    const { entrance, connections } = closedEntrance()
    const again = entrance.enter(call()).catch(() => entrance.enter(call()))
    connections[0]?.reject(new Error('away'))
    await nextTurn()
    expect(connections).toHaveLength(2)
    connections[1]?.resolve()
    await again
  })

  it('connect again right after all earlier calls have entered', async () => {
    const { entrance, connections } = closedEntrance()
    const second = entrance.enter(call()).then(() => entrance.enter(call()))
    connections[0]?.resolve()
    await nextTurn()
    expect(connections).toHaveLength(2)
    connections[1]?.resolve()
    await second
  })

  it('reject when their signal fires, and name the failure of the storage when they time out', async () => {
    const { entrance, connections } = closedEntrance()
    const controller = new AbortController()
    const aborted = entrance.enter(call({ signal: controller.signal }))
    const late = entrance.enter(call({ timeout: 20 }))
    const stays = entrance.enter(call())
    const cause = new Error('connection refused')
    entrance.failed(cause)
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(late).rejects.toMatchObject({ code: 'STORAGE_TIMEOUT', cause })
    connections[0]?.resolve()
    await stays
    expect(entrance.isEmpty).toBe(true)
  })
})
