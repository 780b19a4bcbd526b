import { type Change, type ChangesOptions, createClient, defineJob, jobId, silentLogger } from '@jobistemer/core'
import type { TaskContext } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { createWorld, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const slow = defineJob({
  name: 'slow',
  overlapPolicy: 'allow',
  tasks: [{ name: 'work', run: ({ sleep }: TaskContext) => sleep({ seconds: 30 }) }],
})
const bad = defineJob({ name: 'bad', tasks: [{ name: 'work', run: () => Promise.reject(new Error('no')) }] })
const quick = defineJob({ name: 'quick', schedule: everySeconds(60), tasks: [{ name: 'work', run: () => 1 }] })

/** Starts a node, and makes a client on a connection whose calls are counted. */
async function scene(world: World, options: ChangesOptions = {}) {
  const node = await world.start({ jobs: [slow, bad, quick], pollInterval: { seconds: 1 } })
  const intercepted = new InterceptedStorage(world.connect())
  const { clock } = world
  const others = { clock, scheduleTypes: [everyType], logger: silentLogger }
  const client = createClient({ ...others, storage: intercepted.storage })
  return { node, client, intercepted, ...follow(world, client, options) }
}

/** Collects the changes that an iteration yields. `ended` resolves when the iteration ends. */
function follow(
  world: World,
  source: { changes(options?: ChangesOptions): AsyncIterable<Change> },
  options?: ChangesOptions,
) {
  const heard: Change[] = []
  const ended = (async () => {
    for await (const change of source.changes(options)) heard.push(change)
    return true
  })()
  /** Advances the clock and returns the changes that the iteration has yielded since the previous call. */
  const hear = async (seconds = 2) => {
    await world.clock.advance({ seconds })
    return heard.splice(0)
  }
  return { hear, ended }
}

const start = { kind: 'start' }
const jobs = { kind: 'jobs' }
const runs = { kind: 'runs' }
const failures = { kind: 'failures' }
const nodes = { kind: 'nodes' }

describe.each(everywhere)('on the storage $name', (place) => {
  it('`changes` yields `start` first, then `jobs` after jobs were changed, paused or removed', async () => {
    const world = createWorld(place)
    const { node, hear } = await scene(world)
    expect(await hear(30)).toEqual([start])
    await node.pause('slow')
    expect(await hear()).toEqual([jobs])
    await node.resume('slow')
    await node.update('bad', { description: 'Fails.' })
    expect(await hear()).toEqual([jobs])
    const tasks = [{ name: 'work', handler: 'none' }]
    await node.add(Array.from({ length: 601 }, (_, index) => defineJob({ name: `data ${index}`, tasks })))
    expect((await hear()).at(0)).toEqual(jobs)
    await hear(10)
    await node.remove('slow')
    expect(await hear()).toEqual([jobs])
    // Successive polls read some records twice, but `changes` yields no change twice.
    expect(await hear(25)).toEqual([runs])
  })

  it('`changes` yields starts, ends and failures of runs, even if one run starts and another run ends between two polls', async () => {
    const world = createWorld(place)
    const { node, hear } = await scene(world)
    expect(await hear()).toEqual([start])
    // Polls happen at full seconds, so the run below starts between two polls.
    await world.clock.advance(300)
    await node.trigger('slow')
    expect(await hear()).toEqual([runs])
    expect(await hear(27.8)).toEqual([])
    // Between two polls one run begins and another run ends, so the number of running runs stays the same.
    await node.trigger('slow')
    expect(await hear(5)).toEqual([runs])
    expect(await hear(22)).toEqual([])
    // During these 5 s, `quick` runs its slot at 60 s. The second run of `slow` ends at 62.1 s. `changes` yields one change for
    // each of these two events.
    expect(await hear(5)).toEqual([runs, runs])
    await node.trigger('bad')
    expect(await hear()).toEqual([runs, failures])
    expect(await hear(30)).toEqual([])
  })

  it('`changes` yields nodes that join, leave and die, and `nodes` of the same client then lists the dead node as dead', async () => {
    const world = createWorld(place)
    const { client, hear } = await scene(world, { interval: { seconds: 10 } })
    const life = { ...tuned({ heartbeat: { minutes: 1 } }), deadAfter: { minutes: 4 } }
    expect(await hear()).toEqual([start])
    const leaving = await world.start({ ...life, nodeId: 'leaving' })
    const dying = await world.start({ ...life, nodeId: 'dying' })
    expect(await hear(15)).toEqual([nodes])
    await world.shutdown(leaving)
    expect(await hear(15)).toEqual([nodes])
    world.crash(dying)
    expect((await hear(200)).filter(({ kind }) => kind === 'nodes')).toEqual([])
    expect((await hear(60)).filter(({ kind }) => kind === 'nodes')).toEqual([nodes])
    const states = (await client.nodes()).map(({ node, state }) => [node, state])
    expect(states).toContainEqual(['dying', 'dead'])
  })

  it('all iterations of `changes` share one poll per second, or four after wake-ups; idle iterations never poll', async () => {
    const world = createWorld(place)
    const { node, client, intercepted, hear } = await scene(world)
    const others = [follow(world, client), follow(world, client, { interval: { seconds: 5 } })]
    await hear()
    for (const other of others) expect(await other.hear(0)).toEqual([start])
    intercepted.reset()
    await hear(30)
    expect(intercepted.count('heartbeat')).toBe(30)
    expect(intercepted.calls).toHaveLength(5 * 30)
    intercepted.reset()
    for (let times = 0; times < 40; times++) {
      await node.pause('slow')
      await node.resume('slow')
      await world.clock.advance(50)
    }
    // On a storage with wake-ups, `changes` causes 8 polls in 2 s. SQLite has no wake-ups, so `changes` polls SQLite once a
    // second.
    expect(intercepted.count('heartbeat')).toBe(place.name === 'memory' ? 8 : 2)
    await client.close()
    const idle = createClient({ storage: intercepted.storage, clock: world.clock })
    const reader = idle.changes()[Symbol.asyncIterator]()
    const first = reader.next()
    await world.clock.advance({ seconds: 1 })
    expect(await first).toEqual({ done: false, value: start })
    intercepted.reset()
    await world.clock.advance({ minutes: 1 })
    expect(intercepted.calls).toEqual([])
  })

  it('`changes` merges the changes that a slow reader has not read yet, and loses no change between two reads', async () => {
    const world = createWorld(place)
    const { node, client, intercepted, hear } = await scene(world)
    const reader = client.changes()[Symbol.asyncIterator]()
    const next = async () => {
      const result = reader.next()
      await world.clock.advance({ seconds: 2 })
      return (await result).value
    }
    expect(await next()).toEqual(start)
    for (const name of ['slow', 'bad', 'slow']) {
      await node.pause(name)
      await node.trigger('bad')
      await node.resume(name)
      await hear()
    }
    // The storage fails while the slow reader has no read in progress, and works again before the reader's next read. So the
    // slow reader does not receive the events `away` and `back` of this outage, but receives all other changes.
    intercepted.fail('heartbeat', 1, 'before its effect')
    expect(await hear(5)).toMatchObject([{ kind: 'away' }, { kind: 'back' }])
    expect(await next()).toEqual(jobs)
    expect(await next()).toEqual(runs)
    expect(await next()).toEqual(failures)
    await node.pause('slow')
    await hear()
    intercepted.intercept = () => Promise.reject(new Error('away'))
    await hear()
    expect(await next()).toMatchObject({ kind: 'away' })
    intercepted.intercept = ({ proceed }) => proceed()
    await hear(10)
    // After the change `back`, a reader loads all data again. So `changes` does not also yield the pause of `slow`.
    expect(await next()).toEqual({ kind: 'back' })
    const last = next()
    await client.close()
    expect(await last).toBeUndefined()
  })

  it('`changes` yields `away` when the storage fails, polls at growing intervals, and yields `back` when the storage answers', async () => {
    const world = createWorld(place)
    const { node, client, intercepted, hear } = await scene(world)
    expect(await hear()).toEqual([start])
    const error = new Error('away')
    intercepted.intercept = () => Promise.reject(error)
    expect(await hear()).toEqual([{ kind: 'away', error }])
    intercepted.reset()
    const late = follow(world, client)
    expect(await hear(60)).toEqual([])
    expect(intercepted.count('heartbeat')).toBeGreaterThanOrEqual(11)
    expect(intercepted.count('heartbeat')).toBeLessThanOrEqual(14)
    await node.pause('slow')
    intercepted.intercept = ({ proceed }) => proceed()
    // After the change `back`, a reader loads all data again. So `changes` does not also yield the pause of `slow`.
    expect(await hear(10)).toEqual([{ kind: 'back' }])
    expect(await late.hear(0)).toEqual([{ kind: 'away', error }, { kind: 'back' }])
    // If the storage does not answer within its timeout, `changes` yields `away`, as after an error of the storage.
    intercepted.intercept = () => new Promise(() => undefined)
    const [away, ...rest] = await hearUntracked(world, hear)
    expect([away, rest]).toMatchObject([{ kind: 'away', error: { code: 'STORAGE_TIMEOUT' } }, []])
  })

  it('`changes` yields a pause from a node whose clock is 4 s behind, but not from a node whose clock is 10 s behind', async () => {
    const world = createWorld(place)
    const { hear } = await scene(world)
    const storage = world.connect()
    const pauseBehind = async (behindMs: number, reason: string) => {
      const now = world.clock.now() - behindMs
      const paused = { at: now, reason, actor: null }
      await storage.saveJobs({ now, changes: [{ kind: 'pause', id: jobId('slow'), paused }] })
    }
    expect(await hear(30)).toEqual([start])
    await pauseBehind(4000, 'four')
    expect(await hear()).toEqual([jobs])
    await hear(30)
    await pauseBehind(10_000, 'ten')
    expect((await hear(200)).filter(({ kind }) => kind === 'jobs')).toEqual([])
  })

  it('an iteration of `changes` ends by its signal, by return(), by closing its client, and when the storage is closed', async () => {
    const world = createWorld(place)
    await world.start({ jobs: [slow] })
    const target = world.connect()
    let listeners = 0
    const storage = wrapStorage(target, {
      serverTime: undefined,
      subscribe(listener) {
        listeners++
        const unsubscribe = target.subscribe?.(listener)
        return () => {
          listeners--
          unsubscribe?.()
        }
      },
    })
    const client = createClient({ storage, clock: world.clock, logger: silentLogger })
    const controller = new AbortController()
    const signaled = follow(world, client, { signal: controller.signal })
    expect(await signaled.hear()).toEqual([start])
    controller.abort()
    expect(await signaled.ended).toBe(true)
    expect(await follow(world, client, { signal: controller.signal }).ended).toBe(true)
    expect(listeners).toBe(0)
    const left = client.changes()[Symbol.asyncIterator]()
    const waiting = left.next()
    await left.return?.()
    expect([await waiting, await left.next()].map(({ done }) => done)).toEqual([true, true])
    const open = follow(world, client)
    expect(await open.hear()).toEqual([start])
    expect(listeners).toBe(1)
    await client.close()
    expect(await open.ended).toBe(true)
    expect(listeners).toBe(0)
    expect(() => client.changes()).toThrow(expect.objectContaining({ code: 'SCHEDULER_STATE' }))
    const other = createClient({ storage, clock: world.clock, logger: silentLogger })
    const cut = follow(world, other)
    expect(await cut.hear()).toEqual([start])
    await storage.close()
    expect(await cut.hear()).toMatchObject([{ kind: 'away', error: { code: 'STORAGE_CLOSED' } }])
    expect(await cut.ended).toBe(true)
  })

  it('after the storage was closed, a slow reader of `changes` still receives the change `away`', async () => {
    const world = createWorld(place)
    const storage = world.connect()
    const client = createClient({ storage, clock: world.clock, logger: silentLogger })
    const slowReader = client.changes()[Symbol.asyncIterator]()
    const first = slowReader.next()
    const quickReader = follow(world, client)
    expect(await quickReader.hear()).toEqual([start])
    expect(await first).toEqual({ done: false, value: start })
    await storage.close()
    expect(await quickReader.hear()).toMatchObject([{ kind: 'away' }])
    expect(await slowReader.next()).toMatchObject({
      done: false,
      value: { kind: 'away', error: { code: 'STORAGE_CLOSED' } },
    })
    expect(await slowReader.next()).toEqual({ done: true, value: undefined })
  })

  it('`changes` of a scheduler yields changes of its own runs from its start to its shutdown', async () => {
    const world = createWorld(place)
    const good = defineJob({ name: 'good', tasks: [{ name: 'work', run: () => 1 }] })
    const node = world.scheduler({ jobs: [good] })
    expect(() => node.changes()).toThrow(expect.objectContaining({ code: 'SCHEDULER_STATE' }))
    await node.start()
    const { hear, ended } = follow(world, node)
    expect(await hear()).toEqual([start])
    await node.trigger('good')
    expect(await hear()).toEqual([runs])
    await world.shutdown(node)
    expect(await ended).toBe(true)
  })
})

/**
 * Collects the changes of 15 s while storage calls are pending. Without its method `track`, the virtual clock does not wait for
 * these calls.
 */
async function hearUntracked(world: World, hear: (seconds: number) => Promise<Change[]>): Promise<Change[]> {
  const track = world.clock.track
  Object.assign(world.clock, { track: undefined })
  try {
    return await hear(15)
  } finally {
    Object.assign(world.clock, { track })
  }
}
