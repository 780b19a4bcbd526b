import { defineJob, type Job } from '@jobistemer/core'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, secondsOf, type World } from '../support/world.ts'

interface Load {
  readonly jobs: Job[]
  /** Lists the handler calls in their order, each as the second of the call and the name of the job, such as `'10 a'`. */
  readonly started: string[]
  readonly most: () => number
}

/** Defines jobs whose only slot is at `options.second`, and whose handlers take `options.seconds` each. */
function load(world: World, names: readonly string[], options: { second: number; seconds: number }): Load {
  const started: string[] = []
  let running = 0
  let most = 0
  const jobs = names.map((name) =>
    defineJob({
      name,
      schedule: once(at(options.second)),
      tasks: [
        {
          name: 'work',
          run: async () => {
            started.push(`${secondsOf(world.clock.now())} ${name}`)
            most = Math.max(most, ++running)
            await world.clock.sleep({ seconds: options.seconds })
            running--
          },
        },
      ],
    }),
  )
  return { jobs, started, most: () => most }
}

const startsNow = ({ runs }: { readonly runs: unknown }): boolean => runs !== null

describe.each(everywhere)('on the storage $name', (place) => {
  it('a `createOccurrences` call reserves permits for slots that can run, and none for a paused job’s slot', async () => {
    const world = createWorld(place)
    const paused = load(world, ['paused'], { second: 9, seconds: 5 })
    const { jobs, started } = load(world, ['a', 'b', 'c'], { second: 10, seconds: 5 })
    const intercepted = new InterceptedStorage(world.connect())
    const { storage } = intercepted
    const scheduler = await world.start({ jobs: [...paused.jobs, ...jobs], storage, maxConcurrentJobs: 2 })
    await scheduler.pause('paused')
    // The node is frozen while the four slots come due. So after the thaw, the node launches all of them in one storage call.
    await world.clock.advanceTo(at(8))
    world.freeze(scheduler)
    await world.clock.advanceTo(at(11))
    await world.thaw(scheduler)
    const created = intercepted.calls.filter(({ operation }) => operation === 'createOccurrences')
    const states = created.map(({ request }) => (request as { items: { runs: unknown }[] }).items.map(startsNow))
    expect(states).toEqual([[false, true, true, false]])
    expect(started).toHaveLength(2)
    await world.clock.advanceTo(at(20))
    expect(started.map((entry) => Number.parseInt(entry, 10))).toEqual([11, 11, 16])
    expect(await fates(scheduler, 'paused')).toEqual(['9 skipped paused'])
  })

  it('the slot of a paused job is skipped at its instant even if the node has no free permit', async () => {
    const world = createWorld(place)
    const long = load(world, ['long'], { second: 9, seconds: 60 })
    const paused = load(world, ['paused'], { second: 10, seconds: 5 })
    const scheduler = await world.start({ jobs: [...long.jobs, ...paused.jobs], maxConcurrentJobs: 1 })
    await scheduler.pause('paused')
    const passedAt: string[] = []
    scheduler.on('occurrence.created', ({ jobName, state }) => {
      passedAt.push(`${jobName} ${state} ${secondsOf(world.clock.now())}`)
    })
    await world.clock.advanceTo(at(12))
    expect(passedAt).toEqual(['long running 9', 'paused skipped 10'])
  })

  it('a node runs at most maxConcurrentJobs occurrences, and starts the next ones when permits are free', async () => {
    const world = createWorld(place)
    const names = Array.from({ length: 10 }, (_, index) => `job ${index}`)
    const { jobs, started, most } = load(world, names, { second: 10, seconds: 5 })
    const scheduler = await world.start({ jobs, maxConcurrentJobs: 3 })
    await world.clock.advance({ minutes: 2 })
    expect(most()).toBe(3)
    expect(started).toHaveLength(10)
    expect(new Set(started.map((entry) => entry.slice(3))).size).toBe(10)
    expect(started.map((entry) => entry.slice(0, 2))).toEqual([
      '10',
      '10',
      '10',
      '15',
      '15',
      '15',
      '20',
      '20',
      '20',
      '25',
    ])
    for (const name of names) expect(await fates(scheduler, name)).toEqual(['10 completed'])
  })

  it('slots that find no free permit are stored as pending, and start in the order of their instants', async () => {
    const world = createWorld(place)
    const early = load(world, ['a'], { second: 10, seconds: 20 })
    const later = ['e', 'd', 'c', 'b'].map((name, index) => load(world, [name], { second: 11 + index, seconds: 1 }))
    const jobs = [...early.jobs, ...later.flatMap((one) => one.jobs)]
    const scheduler = await world.start({ jobs, maxConcurrentJobs: 1 })
    await world.clock.advance({ seconds: 15 })
    expect((await scheduler.occurrences({ job: 'e' })).items.map(({ state, node }) => [state, node])).toEqual([
      ['pending', null],
    ])
    await world.clock.advance({ minutes: 2 })
    expect(later.flatMap((one) => one.started)).toEqual(['30 e', '31 d', '32 c', '33 b'])
  })

  it('a pending slot starts before a slot that comes due later', async () => {
    const world = createWorld(place)
    const blocking = load(world, ['blocking'], { second: 10, seconds: 10 })
    const waiting = load(world, ['waiting'], { second: 11, seconds: 5 })
    const fresh = load(world, ['fresh'], { second: 20, seconds: 1 })
    await world.start({ jobs: [...fresh.jobs, ...waiting.jobs, ...blocking.jobs], maxConcurrentJobs: 1 })
    await world.clock.advance({ minutes: 1 })
    expect([...waiting.started, ...fresh.started]).toEqual(['20 waiting', '25 fresh'])
  })

  it('a node with a free permit claims a run that another node stored as pending', async () => {
    const world = createWorld(place)
    const { jobs, started } = load(world, ['a', 'b'], { second: 10, seconds: 60 })
    const busy = await world.start({ jobs, maxConcurrentJobs: 1, nodeId: 'busy' })
    await world.clock.advance({ seconds: 20 })
    expect(started).toHaveLength(1)
    await world.start({ jobs, maxConcurrentJobs: 1, nodeId: 'idle' })
    await world.clock.advance({ seconds: 2 })
    expect(started).toHaveLength(2)
    const nodes = await Promise.all(['a', 'b'].map(async (job) => (await busy.occurrences({ job })).items[0]?.node))
    expect(nodes.sort()).toEqual(['busy', 'idle'])
  })

  it('a node does not claim runs of jobs for which it has no code', async () => {
    const world = createWorld(place)
    const known = load(world, ['known'], { second: 10, seconds: 60 })
    const foreign = load(world, ['foreign'], { second: 10, seconds: 60 })
    const full = await world.start({ jobs: [...known.jobs, ...foreign.jobs], maxConcurrentJobs: 1, nodeId: 'full' })
    await world.start({ jobs: [], nodeId: 'ignorant' })
    await world.clock.advance({ seconds: 55 })
    expect([...known.started, ...foreign.started]).toHaveLength(1)
    await world.clock.advance({ minutes: 5 })
    const all = [
      ...(await full.occurrences({ job: 'known' })).items,
      ...(await full.occurrences({ job: 'foreign' })).items,
    ]
    expect(all.map(({ state, node }) => [state, node])).toEqual([
      ['completed', 'full'],
      ['completed', 'full'],
    ])
  })
})
