import { JobistemerError, jobId } from '@jobistemer/core'
import type { Storage, WakeUp } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { memoryDatabase, memoryStorage } from '../src/index.ts'
import { firstAttempt, jobContent, Node, slotAt, slotItem, start, triggerItem } from './world.ts'

function connections(count: number): Storage[] {
  const database = memoryDatabase()
  return Array.from({ length: count }, () => memoryStorage({ database }))
}

/** Returns two nodes on one database, and the wake-ups that the second node receives. */
function pair(): { first: Node; second: Node; told: WakeUp['kind'][] } {
  const [one, two] = connections(2)
  const first = new Node(one, 'node-a')
  const second = new Node(two, 'node-b')
  const told: WakeUp['kind'][] = []
  second.storage.subscribe?.((wakeUp) => told.push(wakeUp.kind))
  return { first, second, told }
}

describe('connections to one memory database', () => {
  it('read each other’s writes', async () => {
    const { first, second } = pair()
    const job = await first.addJob('alpha')
    const item = slotItem(job, 1)
    await first.create(item)
    expect((await second.claim(slotAt(1))).claimed.map(({ id }) => id)).toEqual([item.id])
    expect((await first.record(item)).owner).toEqual({ node: 'node-b', incarnation: 'node-b-1' })
  })

  it('do not read another memory database, nor the database of a storage without the option `database`', async () => {
    const [one] = connections(1)
    const nodes = [new Node(one), new Node(), new Node()]
    const job = await (nodes[0] as Node).addJob('alpha')
    for (const node of nodes.slice(1)) expect((await node.storage.get({ jobs: [job] })).jobs).toEqual([null])
  })

  it('keep the data when one of them closes', async () => {
    const { first, second } = pair()
    const job = await first.addJob('alpha')
    await first.storage.close()
    expect((await second.head(job)).name).toBe('alpha')
  })

  it('refuse a database that memoryDatabase did not make', () => {
    let refusal: unknown
    try {
      memoryStorage({ database: {} as ReturnType<typeof memoryDatabase> })
    } catch (error) {
      refusal = error
    }
    expect(JobistemerError.isInstance(refusal, 'INVALID_ARGUMENT')).toBe(true)
    expect((refusal as JobistemerError).field).toBe('database')
  })
})

describe('wake-ups of the memory storage', () => {
  it('report new jobs, waiting work and cancel requests to the other connections', async () => {
    const { first, told } = pair()
    const job = await first.addJob('alpha', 'queue')
    expect(told.splice(0)).toEqual(['jobs'])
    const held = slotItem(job, 1, { runs: firstAttempt(slotAt(1)) })
    await first.create(held)
    await first.create(slotItem(job, 2))
    expect(told.splice(0)).toEqual([])
    const cancel = { ...held, reason: 'by hand', actor: null, mode: 'request' } as const
    await first.storage.cancel({ now: slotAt(2), items: [cancel] })
    expect(told.splice(0)).toEqual(['cancel'])
    await first.storage.cancel({ now: slotAt(2), items: [cancel] })
    expect(told.splice(0)).toEqual([])
    await first.finish(held)
    expect(told.splice(0)).toEqual(['due'])
    await first.create(triggerItem(job, 'by-hand', slotAt(3)))
    expect(told.splice(0)).toEqual([])
  })

  it('report released work, and work whose job was resumed', async () => {
    const { first, told } = pair()
    const job = await first.addJob('alpha')
    const held = slotItem(job, 1, { runs: firstAttempt(slotAt(1)) })
    await first.create(held)
    told.length = 0
    await first.settle(held, 1, { kind: 'release', dueAt: slotAt(1), reason: 'shutdown' })
    expect(told.splice(0)).toEqual(['due'])
    const paused = { at: slotAt(2), reason: null, actor: null }
    await first.storage.saveJobs({ now: slotAt(2), changes: [{ kind: 'pause', id: job, paused }] })
    expect(told.splice(0)).toEqual(['jobs'])
    await first.storage.saveJobs({ now: slotAt(2), changes: [{ kind: 'pause', id: job, paused: null }] })
    expect(told.splice(0).sort()).toEqual(['due', 'jobs'])
  })

  it('are sent once per kind and call, and not to the connection that caused them', async () => {
    const { first, second, told } = pair()
    const changes = ['alpha', 'beta'].map((name) => ({
      kind: 'create' as const,
      id: jobId(name),
      content: jobContent(name),
    }))
    await first.storage.saveJobs({ now: start, changes })
    expect(told.splice(0)).toEqual(['jobs'])
    await second.addJob('gamma')
    expect(told).toEqual([])
  })

  it('are not sent after their subscription has ended or the connection was closed', async () => {
    const [one, two, three] = connections(3)
    const told: string[] = []
    const listener = (): void => {
      told.push('told')
    }
    two?.subscribe?.(listener)
    const end = two?.subscribe?.(listener)
    three?.subscribe?.(listener)
    end?.()
    await three?.close()
    await new Node(one).addJob('alpha')
    expect(told).toEqual(['told'])
  })

  it('reach their listener after the write, so that a claim inside the listener takes the due occurrence', async () => {
    const { first, second } = pair()
    const job = await first.addJob('alpha')
    const claimed = new Promise<string[]>((resolve) => {
      second.storage.subscribe?.(async ({ kind }) => {
        if (kind === 'due') resolve((await second.claim(slotAt(1))).claimed.map(({ id }) => id))
      })
    })
    const item = slotItem(job, 1)
    await first.create(item)
    expect(await claimed).toEqual([item.id])
  })
})

describe('a closed memory storage', () => {
  it('rejects every call with STORAGE_CLOSED, and may be closed again', async () => {
    const storage = memoryStorage()
    await storage.close()
    await storage.close()
    const owner = { node: 'node-a', incarnation: 'node-a-1' }
    const calls: (() => Promise<unknown>)[] = [
      () => storage.saveJobs({ now: start, changes: [] }),
      () => storage.createOccurrences({ now: start, owner, items: [] }),
      () => storage.claim({ now: start, owner, limit: 1, exceptHandlerKeys: [], sweep: false }),
      () => storage.settle({ now: start, items: [] }),
      () => storage.cancel({ now: start, items: [] }),
      () => storage.reap({ now: start, items: [] }),
      () => storage.get({}),
      () => storage.listJobs({ limit: 1, cursor: null }),
      () => storage.listOccurrences({ kind: 'live', state: 'running', runs: false, limit: 1, cursor: null }),
      () => storage.prune({ now: start, jobId: null, before: start, keep: 0, limit: 1 }),
      async () => storage.subscribe?.(() => undefined),
    ]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'STORAGE_CLOSED' })
  })

  it('still declares its capabilities', () => {
    const storage = memoryStorage()
    expect(storage.specVersion).toBe(1)
    expect(storage.capabilities).toEqual({
      maxBatch: 1000,
      multiProcess: false,
      durability: 'none',
      findsDueJobs: true,
      takesNext: true,
    })
  })
})
