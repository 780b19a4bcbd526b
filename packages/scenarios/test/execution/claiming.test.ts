import {
  createScheduler,
  defineJob,
  type Job,
  JobistemerError,
  type Scheduler,
  silentLogger,
  type TaskContext,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Defines jobs without due slots, and records the calls of their handlers. Each call takes ten seconds. */
function asked(world: World, names: readonly string[]): { readonly jobs: readonly Job[]; readonly called: string[] } {
  const called: string[] = []
  const jobs = names.map((name) =>
    defineJob({
      name,
      schedule: everySeconds(86_400),
      tasks: [
        {
          name: 'work',
          run: ({ signal, fencingToken }) => {
            called.push(`${name} ${secondsOf(world.clock.now())} ${fencingToken}`)
            return world.clock.sleep({ seconds: 10 }, signal)
          },
        },
      ],
    }),
  )
  return { jobs, called }
}

/** Starts a node whose only permit is taken, so that runs requested through this node stay pending. */
async function fullNode(world: World, jobs: readonly Job[]): Promise<Scheduler> {
  const blocker = defineJob({
    name: 'blocker',
    schedule: everySeconds(86_400),
    executionTimeout: { hours: 5 },
    tasks: [{ name: 'work', taskTimeout: { hours: 5 }, run: () => world.clock.sleep({ hours: 4 }) }],
  })
  const settings = { maxConcurrentJobs: 1, pollInterval: { hours: 1 } }
  const scheduler = await world.start({ jobs: [...jobs, blocker], nodeId: 'full', ...settings })
  expect(await scheduler.trigger('blocker')).toMatchObject({ state: 'running' })
  return scheduler
}

/** Returns the `limit` of each claim since the last reset. */
function limits({ calls }: InterceptedStorage): number[] {
  return calls.flatMap(({ operation, request }) =>
    operation === 'claim' ? [(request as { limit: number }).limit] : [],
  )
}

/** Makes a connection to a storage that accepts at most `maxBatch` items in a call. */
function connectionWith(world: World, maxBatch: number): InterceptedStorage {
  const target = world.connect()
  const intercepted = new InterceptedStorage(target)
  Object.assign(intercepted.storage, { capabilities: { ...target.capabilities, maxBatch } })
  return intercepted
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a node with free permits claims five pending runs in successive calls, if each call returns at most two runs', async () => {
    const world = createWorld(place)
    const names = ['a', 'b', 'c', 'd', 'e']
    const { jobs, called } = asked(world, names)
    const full = await fullNode(world, jobs)
    for (const name of names) expect(await full.trigger(name)).toMatchObject({ state: 'pending' })
    const intercepted = connectionWith(world, 2)
    await world.start({ jobs, storage: intercepted.storage, pollInterval: { hours: 1 } })
    expect(called.sort()).toEqual(names.map((name) => `${name} 0 1`))
    expect(limits(intercepted)).toEqual([2, 2, 2])
  })

  it('a node that shuts down between two claims claims no further runs', async () => {
    const world = createWorld(place)
    const names = ['a', 'b', 'c']
    const { jobs, called } = asked(world, names)
    const full = await fullNode(world, jobs)
    for (const name of names) await full.trigger(name)
    const intercepted = connectionWith(world, 1)
    let stopping: Promise<void> | undefined
    intercepted.intercept = async (call) => {
      const answer = await call.proceed()
      if (call.operation === 'claim') stopping ??= node.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
      return answer
    }
    const node = world.scheduler({ jobs, storage: intercepted.storage })
    await node.start()
    await world.clock.advance({ seconds: 1 })
    await stopping
    expect(called).toEqual([])
    expect(limits(intercepted)).toEqual([1])
    const tokens = names.map(async (name) => (await full.occurrences({ job: name })).items[0]?.fencingToken)
    expect((await Promise.all(tokens)).sort()).toEqual([0, 0, 1])
  })

  it('a node repeats a claim whose answer was lost, and releases the claimed runs whose handlers it has not called', async () => {
    const world = createWorld(place)
    const { jobs, called } = asked(world, ['a', 'b'])
    const first = await world.start({ jobs, nodeId: 'first' })
    await first.trigger('a')
    await world.clock.advance({ seconds: 1 })
    await world.shutdown(first, 1000)
    const intercepted = new InterceptedStorage(world.connect())
    intercepted.fail('claim', 1, 'after its effect')
    const storage = { ...intercepted.storage, subscribe: undefined } as unknown as Storage
    const second = await world.start({ jobs, storage, nodeId: 'second', pollInterval: { seconds: 1 } })
    const lost = listen(second, 'occurrence.lost')
    await world.clock.advance({ seconds: 2 })
    const calls = ['a 0 1', expect.stringMatching(/^a 2\.\d+ 3$/)]
    expect(called).toEqual(calls)
    intercepted.fail('claim', 1, 'before its effect')
    const full = await fullNode(world, jobs)
    await full.trigger('b')
    await world.clock.advance({ minutes: 1 })
    expect(called).toEqual([...calls, expect.stringMatching(/^b /)])
    expect(lost).toEqual([])
    expect(await fates(second, 'a')).toEqual(['0 completed'])
  })

  it('a node releases a run that the end of another run took, if storing this end lasted longer than the execution timeout', async () => {
    const world = createWorld(place)
    const called: number[] = []
    const run = ({ signal }: TaskContext) => {
      called.push(secondsOf(world.clock.now()))
      return world.clock.sleep({ seconds: 10 }, signal)
    }
    const settings = { overlapPolicy: 'queue', executionTimeout: { minutes: 1 } } as const
    const job = defineJob({ name: 'line', ...settings, tasks: [{ name: 'work', run }] })
    const intercepted = new InterceptedStorage(world.connect())
    const node = await world.start({ jobs: [job], storage: intercepted.storage })
    for (let count = 0; count < 3; count++) await node.trigger('line')
    await world.clock.advance({ seconds: 15 })
    const isAway = () => world.clock.now() < +at(140)
    intercepted.fail('settle', Number.POSITIVE_INFINITY, 'before its effect', isAway)
    await world.clock.advance({ minutes: 3 })
    expect(called).toHaveLength(3)
    expect(called[2]).toBeGreaterThanOrEqual(140)
    expect(called[2]).toBeLessThanOrEqual(146)
    const states = (await node.occurrences({ job: 'line' })).items.map(({ state }) => state)
    expect(states).toEqual(['completed', 'completed', 'completed'])
  })

  it('a node releases a claimed run whose answer was lost, although it has left an earlier attempt of the run to the reaper', async () => {
    const world = createWorld(place)
    const called: number[] = []
    const run = () => void called.push(secondsOf(world.clock.now()))
    const job = defineJob({ name: 'poisoned', executionTimeout: { minutes: 1 }, tasks: [{ name: 'work', run }] })
    let isLost = false
    const storage = wrapStorage(world.connect(), {
      around: async (call) => {
        if (call.method === 'settle' && call.request.items.some(({ token }) => token === 1)) {
          throw new JobistemerError('STORAGE_REFUSED', { message: 'No.' })
        }
        if (call.method !== 'claim') return call.proceed()
        const answer = await call.proceed()
        if (isLost || answer.claimed.length === 0) return answer
        isLost = true
        throw new Error('the answer was lost')
      },
    })
    const node = await world.start({ jobs: [job], storage })
    await node.trigger('poisoned')
    await world.clock.advance({ seconds: 65 })
    expect(called).toEqual([0])
    await world.clock.advance({ seconds: 45 })
    expect([isLost, called.length]).toEqual([true, 2])
    expect((await node.occurrences({ job: 'poisoned' })).items).toMatchObject([{ state: 'completed', fencingToken: 3 }])
  })

  it('a node releases a claimed run whose answer was lost, although it still executes an earlier attempt of the run', async () => {
    const world = createWorld(place)
    const job = defineJob({
      name: 'long',
      executionTimeout: { hours: 2 },
      tasks: [
        {
          name: 'work',
          run: ({ fencingToken }) => (fencingToken === 1 ? world.clock.sleep({ minutes: 30 }) : undefined),
        },
      ],
    })
    let isLost = false
    const storage = wrapStorage(world.connect(), {
      around: async (call) => {
        if (call.method !== 'claim') return call.proceed()
        const answer = await call.proceed()
        if (isLost || answer.claimed.length === 0) return answer
        isLost = true
        throw new Error('the answer was lost')
      },
    })
    const node = await world.start({ jobs: [job], storage, pollInterval: { seconds: 1 } })
    const { id } = await node.trigger('long')
    await world.clock.advance({ seconds: 5 })
    // A peer that holds this node for dead reaps the run. This node claims the run again.
    const peer = world.connect()
    const [record] = (await peer.get({ occurrences: [id] })).occurrences
    if (record?.owner == null) throw new TypeError('no running occurrence')
    const { jobId, scheduledAt, token, owner, sequence, runs } = record
    const item = { id, jobId, scheduledAt, token, owner, sequence, runs, action: 'retry', reason: 'node_lost' } as const
    expect(await peer.reap({ now: +world.clock.now(), items: [item] })).toMatchObject([{ outcome: 'reaped' }])
    await world.clock.advance({ hours: 1 })
    expect(isLost).toBe(true)
    expect((await node.occurrences({ job: 'long' })).items).toMatchObject([{ state: 'completed', fencingToken: 3 }])
  })

  it('a node that loses the race to create a slot makes no further storage call for the slot', async () => {
    const world = createWorld(place)
    const run = () => world.clock.sleep({ seconds: 1 })
    const job = defineJob({ name: 'race', schedule: everySeconds(10), tasks: [{ name: 'work', run }] })
    const connections = [new InterceptedStorage(world.connect()), new InterceptedStorage(world.connect())]
    const rarely = { pollInterval: { hours: 1 }, ...tuned({ definitionInterval: { hours: 1 } }) }
    for (const intercepted of connections) {
      // The nodes do not see each other's heartbeats, so each node considers itself assigned to all slots.
      intercepted.intercept = async ({ operation, proceed }) =>
        operation === 'heartbeat' ? { nodes: [], profiles: [] } : proceed()
      await world.start({ jobs: [job], storage: intercepted.storage, ...rarely })
    }
    for (const intercepted of connections) intercepted.reset()
    await world.clock.advance({ seconds: 25 })
    const reads = connections.flatMap(({ calls }) => calls.filter(({ operation }) => operation === 'get'))
    expect(reads).toEqual([])
    expect(connections.map((one) => one.count('createOccurrences'))).toEqual([2, 2])
  })
})

it('a node claims one pending run for each free permit, and claims again when a permit becomes free', async () => {
  const world = createWorld(memory)
  const { jobs, called } = asked(world, ['a', 'b'])
  const full = await fullNode(world, jobs)
  await full.trigger('a')
  // A claim takes older runs first. The runs are created 1 ms apart, so that their order is certain.
  await world.clock.advance(1)
  await full.trigger('b')
  const intercepted = new InterceptedStorage(world.connect())
  const options = { jobs, storage: intercepted.storage, maxConcurrentJobs: 1, pollInterval: { hours: 1 } }
  await world.start(options)
  await world.clock.advance({ seconds: 5 })
  expect(limits(intercepted)).toEqual([1])
  await world.clock.advance({ seconds: 10 })
  expect(called).toEqual(['a 0.001 1', 'b 10.001 1'])
  expect(limits(intercepted)).toEqual([1, 1])
})

it('a node with one free permit claims in one call, and a node without a free permit does not claim', async () => {
  const world = createWorld(memory)
  const { jobs, called } = asked(world, ['a', 'b'])
  const full = await fullNode(world, jobs)
  const intercepted = new InterceptedStorage(world.connect())
  const options = { jobs, storage: intercepted.storage, maxConcurrentJobs: 1, pollInterval: { hours: 1 } }
  await world.start(options)
  intercepted.reset()
  await full.trigger('a')
  await world.clock.advance({ seconds: 1 })
  expect(limits(intercepted)).toEqual([1])
  await full.trigger('b')
  await world.clock.advance({ seconds: 8 })
  expect(limits(intercepted)).toEqual([1])
  await world.clock.advance({ seconds: 2 })
  expect(called).toEqual(['a 0 1', 'b 10 1'])
  expect(limits(intercepted)).toEqual([1, 1])
})

it('if occurrences are pending when runs of a node end, the node claims these occurrences before it settles the ended runs', async () => {
  const world = createWorld(memory)
  const { jobs } = asked(world, ['a', 'b', 'c', 'd'])
  const full = await fullNode(world, jobs)
  for (const { name } of jobs) {
    await full.trigger(name)
    // A claim takes older runs first. The runs are created 1 ms apart, so that their order is certain.
    await world.clock.advance(1)
  }
  const intercepted = new InterceptedStorage(world.connect())
  const options = { jobs, storage: intercepted.storage, maxConcurrentJobs: 2, pollInterval: { hours: 1 } }
  await world.start(options)
  await world.clock.advance({ seconds: 5 })
  intercepted.reset()
  await world.clock.advance(5500)
  const calls = intercepted.calls.map(({ operation }) => operation)
  expect(calls.filter((operation) => operation === 'claim' || operation === 'settle')).toEqual(['claim', 'settle'])
})

it('a queued run that is woken while a claim is answered starts once a permit is free', async () => {
  const world = createWorld(memory)
  const called: string[] = []
  const define = (name: string, seconds: number, overlapPolicy: 'allow' | 'queue') =>
    defineJob({
      name,
      overlapPolicy,
      tasks: [
        {
          name: 'work',
          run: () => {
            called.push(`${name} ${secondsOf(world.clock.now())}`)
            return world.clock.sleep({ seconds })
          },
        },
      ],
    })
  const jobs = [define('long', 60, 'allow'), define('queued', 10, 'queue'), define('short', 10, 'allow')]
  const intercepted = new InterceptedStorage(world.connect())
  const options = { jobs, storage: intercepted.storage, maxConcurrentJobs: 2, pollInterval: { hours: 1 } }
  const scheduler = await world.start(options)
  for (const name of ['long', 'queued', 'queued', 'short']) await scheduler.trigger(name)
  // The storage makes the claim before it settles the end of the first queued run, but answers both calls together.
  let settled = () => {}
  const isSettled = new Promise<void>((resolve) => (settled = resolve))
  intercepted.intercept = async ({ operation, proceed }) => {
    const answer = await proceed()
    if (operation === 'claim') await isSettled
    if (operation === 'settle') settled()
    return answer
  }
  await world.clock.advance({ seconds: 30 })
  expect(called).toEqual(['long 0', 'queued 0', 'short 10', 'queued 20'])
})

it('a run that comes due without a free permit starts, although a permit becomes free while the claim is answered', async () => {
  const world = createWorld(memory)
  const called: string[] = []
  const jobs = ['long', 'delayed'].map((name) =>
    defineJob({
      name,
      tasks: [
        {
          name: 'work',
          run: () => {
            called.push(`${name} ${secondsOf(world.clock.now())}`)
            return world.clock.sleep({ seconds: 10 })
          },
        },
      ],
    }),
  )
  const intercepted = new InterceptedStorage(world.connect())
  // Without its method `track`, the virtual clock also advances while storage calls are pending.
  const { track: _, ...clock } = world.clock
  const options = { jobs, storage: intercepted.storage, maxConcurrentJobs: 1, pollInterval: { hours: 1 } }
  const scheduler = createScheduler({ ...options, clock, logger: silentLogger })
  onTestFinished(() => scheduler.shutdown({ gracePeriod: 0 }))
  await scheduler.start()
  await scheduler.trigger('delayed', { delay: { seconds: 5 } })
  await world.clock.advance(1)
  await scheduler.trigger('long')
  // The claim at second 5 finds no free permit. Its answer arrives 1 s after the end of the first run.
  let settled = () => {}
  const isSettled = new Promise<void>((resolve) => (settled = resolve))
  intercepted.intercept = async ({ operation, proceed }) => {
    const answer = await proceed()
    if (operation === 'settle') settled()
    if (operation === 'claim') await isSettled.then(() => world.clock.sleep({ seconds: 1 }))
    return answer
  }
  await world.clock.advance({ seconds: 25 })
  expect(called).toEqual(['long 0.001', 'delayed 12.001'])
})

it('wake-ups during all claims of a node do not delay its due slots', async () => {
  const world = createWorld(memory)
  const lateBy: number[] = []
  const run = ({ scheduledAt }: TaskContext) => void lateBy.push(+world.clock.now() - +scheduledAt)
  const job = defineJob({ name: 'tick', schedule: everySeconds(1), tasks: [{ name: 'work', run }] })
  let wake: Parameters<NonNullable<Storage['subscribe']>>[0] = () => {}
  let wakes = false
  const storage = wrapStorage(world.connect(), {
    subscribe: (listener) => {
      wake = listener
      return () => {}
    },
    around: async (call) => {
      const answer = await call.proceed()
      if (call.method !== 'claim' || !wakes) return answer
      await world.clock.sleep(20)
      wake({ kind: 'due' })
      return answer
    },
  })
  // Without its method `track`, the virtual clock also advances while storage calls are pending.
  const { track: _, ...clock } = world.clock
  const scheduler = createScheduler({ jobs: [job], storage, clock, logger: silentLogger })
  onTestFinished(() => scheduler.shutdown({ gracePeriod: 0 }))
  await scheduler.start()
  await world.clock.advance({ seconds: 3 })
  wakes = true
  wake({ kind: 'due' })
  await world.clock.advance({ seconds: 20 })
  wakes = false
  expect(lateBy).toHaveLength(23)
  expect(Math.max(...lateBy)).toBeLessThan(1000)
})
