import { describe, expect, it } from 'vitest'
import type { Storage } from '../src/storage/index.ts'
import { storageMethods, wrapStorage } from '../src/testing/index.ts'

/** Makes a storage whose methods answer with the method, the storage's name and the request. */
function namedStorage(members: Partial<Storage> = {}): Storage & { readonly closed: () => number } {
  let closed = 0
  const methods = storageMethods.map((method) => [
    method,
    async function (this: { readonly name: string }, request: unknown) {
      return [method, this.name, request]
    },
  ])
  return {
    ...Object.fromEntries(methods),
    name: 'inner',
    specVersion: 1,
    capabilities: { maxBatch: 7, multiProcess: false, durability: 'none' },
    close: async () => void closed++,
    closed: () => closed,
    ...members,
  }
}

describe('wrapStorage', () => {
  it('forwards every method, the properties of the storage, and close', async () => {
    const inner = namedStorage({ serverTime: async () => 5, subscribe: () => () => {} })
    const storage = wrapStorage(inner, {})
    for (const method of storageMethods) {
      expect(await storage[method]({ asked: method } as never)).toEqual([method, 'inner', { asked: method }])
    }
    expect([storage.specVersion, storage.capabilities, await storage.serverTime?.()]).toEqual([
      1,
      inner.capabilities,
      5,
    ])
    await storage.close()
    expect(inner.closed()).toBe(1)
  })

  it('has `serverTime` and `subscribe` only if the storage has these methods or a hook provides them', async () => {
    const bare = wrapStorage(namedStorage(), {})
    expect(['serverTime' in bare, 'subscribe' in bare]).toEqual([false, false])
    const given = wrapStorage(namedStorage(), { serverTime: async () => 9, subscribe: () => () => {} })
    expect([await given.serverTime?.(), typeof given.subscribe]).toEqual([9, 'function'])
    const full = namedStorage({ serverTime: async () => 5, subscribe: () => () => {} })
    const taken = wrapStorage(full, { serverTime: undefined, subscribe: undefined })
    expect(['serverTime' in taken, 'subscribe' in taken]).toEqual([false, false])
  })

  it('passes wake-up listeners to the storage, and returns the function that removes these listeners', () => {
    const heard: unknown[] = []
    const inner = namedStorage({
      subscribe(listener) {
        listener({ kind: 'due' })
        return () => heard.push('ended')
      },
    })
    wrapStorage(inner, {}).subscribe?.((wakeUp) => heard.push(wakeUp))()
    expect(heard).toEqual([{ kind: 'due' }, 'ended'])
  })

  it('calls the given hooks instead of the storage’s methods, and uses the given `capabilities` and `close`', async () => {
    const inner = namedStorage()
    const closed: string[] = []
    const capabilities = { maxBatch: 1, multiProcess: true, durability: 'power' } as const
    const storage = wrapStorage(inner, {
      capabilities,
      settle: async () => [],
      close: async () => void closed.push('hook'),
    })
    expect(await storage.settle({ now: 1, items: [] })).toEqual([])
    expect(await storage.reap({ now: 1, items: [] })).toEqual(['reap', 'inner', { now: 1, items: [] }])
    expect(storage.capabilities).toBe(capabilities)
    await storage.close()
    expect([closed, inner.closed()]).toEqual([['hook'], 0])
  })

  it('calls `around` for every call, including overridden methods and `serverTime`, and returns the answer of `around`', async () => {
    const seen: unknown[] = []
    const storage = wrapStorage(namedStorage({ serverTime: async () => 5 }), {
      settle: async () => [],
      async around(call) {
        seen.push([call.method, call.request])
        if (call.method === 'cancel') return []
        if (call.method === 'reap') throw new Error('refused')
        const first = await call.proceed()
        return call.method === 'get' ? [first, await call.proceed()] : first
      },
    })
    expect(await storage.settle({ now: 1, items: [] })).toEqual([])
    expect(await storage.cancel({ now: 2, items: [] })).toEqual([])
    await expect(storage.reap({ now: 3, items: [] })).rejects.toThrow('refused')
    const got = ['get', 'inner', {}]
    expect(await storage.get({})).toEqual([got, got])
    expect(await storage.serverTime?.()).toBe(5)
    expect(seen).toEqual([
      ['settle', { now: 1, items: [] }],
      ['cancel', { now: 2, items: [] }],
      ['reap', { now: 3, items: [] }],
      ['get', {}],
      ['serverTime', undefined],
    ])
  })
})
