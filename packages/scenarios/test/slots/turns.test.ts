import { createClient, defineJob, type JobSettingsInput, type Scheduler, type TaskContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, secondsOf, type World } from '../support/world.ts'

/** Defines a job without a schedule whose runs take `takesMs`. `starts` lists the seconds at which the runs start. */
function bulk(world: World, name: string, settings: JobSettingsInput & { readonly takesMs?: number } = {}) {
  const { takesMs = 1000, ...others } = settings
  const starts: number[] = []
  const run = async ({ signal }: TaskContext) => {
    starts.push(secondsOf(world.clock.now()))
    await world.clock.sleep(takesMs, signal)
  }
  return {
    starts,
    job: defineJob({ name, ...others, tasks: [{ name: 'work', run }] }),
  }
}

/** Defines a job with a slot each second until `until`. `late` lists by how many seconds each run starts late. */
function ticking(world: World, until: number) {
  const late: number[] = []
  const run = ({ scheduledAt }: TaskContext) => void late.push(secondsOf(world.clock.now()) - secondsOf(scheduledAt))
  return {
    late,
    job: defineJob({
      name: 'ticking',
      schedule: everySeconds(1, +at(until)),
      tasks: [{ name: 'work', run }],
    }),
  }
}

/**
 * Stores `count` triggers. The node may hold back a burst of triggers for up to 100 ms, until their runs have permits. So the
 * clock advances by 200 ms.
 */
async function store(world: World, node: Scheduler, job: string, count: number): Promise<void> {
  const storing = node.triggerMany(Array.from({ length: count }, () => ({ job })))
  await world.clock.advance(200)
  await storing
}

describe.each(everywhere)('on the storage $name', (place) => {
  it.each([
    ['under allow', {}],
    ['under queue with maxConcurrency 1000', { overlapPolicy: 'queue', maxConcurrency: 1000 }],
    ['under queue with as many places as the node has permits', { overlapPolicy: 'queue', maxConcurrency: 50 }],
    ['with runs of 20 ms', { takesMs: 20 }],
  ] as const)(
    'a job with a slot each second starts its slots within 1.5 s although 3,000 triggers of another job are pending (%s)',
    async (_, settings) => {
      const world = createWorld(place)
      const seconds = 'takesMs' in settings ? 2 : 15
      const hog = bulk(world, 'hog', settings)
      const beside = ticking(world, seconds)
      const node = await world.start({
        jobs: [hog.job, beside.job],
        defaults: { retention: 'forever' },
      })
      // The runs of `hog` start 300 ms after a slot of `ticking`, so they also end between two slots. So after each slot, a
      // permit becomes free within one second.
      await world.clock.advance(300)
      await store(world, node, 'hog', 3000)
      await world.clock.advance({ seconds: seconds + 2 })
      const completed = (await fates(node, 'ticking')).filter((fate) => fate.endsWith(' completed'))
      expect(completed.length).toBeGreaterThanOrEqual(seconds - 1)
      expect(Math.max(...beside.late)).toBeLessThanOrEqual(1.5)
      // With 50 permits and runs of one second, `hog` can start 50 runs per second. In total, `hog` may start at most 100 runs
      // fewer than this maximum.
      expect(hog.starts.filter((start) => start <= seconds).length).toBeGreaterThanOrEqual(seconds * 50 - 100)
    },
  )

  it('a trigger of another process starts within 2 s although 1,500 older triggers of another job are pending', async () => {
    const world = createWorld(place)
    const hog = bulk(world, 'hog')
    const late = bulk(world, 'late')
    const node = await world.start({ jobs: [hog.job, late.job] })
    const client = createClient({
      storage: world.connect(),
      clock: world.clock,
    })
    await store(world, node, 'hog', 1500)
    for (const second of [5, 10, 15]) {
      await world.clock.advanceTo(at(second))
      await client.trigger('late')
    }
    await world.clock.advanceTo(at(20))
    expect(late.starts).toHaveLength(3)
    for (const [index, start] of late.starts.entries()) expect(start - 5 * (index + 1)).toBeLessThanOrEqual(2)
  })

  it('a second job with 1,500 pending triggers gets about half of the starts of a node', async () => {
    const world = createWorld(place)
    const [first, second] = [bulk(world, 'first'), bulk(world, 'second')]
    const node = await world.start({ jobs: [first.job, second.job] })
    await store(world, node, 'first', 1500)
    await store(world, node, 'second', 1500)
    await world.clock.advance({ seconds: 20 })
    const share = second.starts.length / (first.starts.length + second.starts.length)
    expect(share).toBeGreaterThan(0.3)
    expect(share).toBeLessThan(0.7)
  })

  it('on a node with one permit, a run of another job starts after ten successive runs of one job', async () => {
    const world = createWorld(place)
    const hog = bulk(world, 'hog', { takesMs: 100 })
    const beside = ticking(world, 20)
    const node = await world.start({
      jobs: [hog.job, beside.job],
      maxConcurrentJobs: 1,
    })
    await store(world, node, 'hog', 300)
    await world.clock.advance({ seconds: 22 })
    expect(beside.late.length).toBeGreaterThanOrEqual(15)
    expect(Math.max(...beside.late)).toBeLessThanOrEqual(2)
  })

  it('pending runs with a higher priority start before all other runs, however many runs of that priority wait', async () => {
    const world = createWorld(place)
    const hog = bulk(world, 'hog', { priority: 5 })
    const plain = bulk(world, 'plain')
    const node = await world.start({ jobs: [hog.job, plain.job] })
    await store(world, node, 'plain', 100)
    await store(world, node, 'hog', 1000)
    await world.clock.advance({ seconds: 15 })
    expect(plain.starts.filter((start) => start > 3)).toEqual([])
  })

  it('a node claims pending runs in full batches if only one job has pending runs', async () => {
    const world = createWorld(place)
    const hog = bulk(world, 'hog')
    const node = await world.start({ jobs: [hog.job] })
    await store(world, node, 'hog', 500)
    await world.clock.advance({ seconds: 12 })
    expect(hog.starts).toHaveLength(500)
    expect(Math.max(...hog.starts)).toBeLessThanOrEqual(10)
  })
})
