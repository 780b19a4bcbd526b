import { defineJob, type Job, type SchedulerOptions } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const schedule = everySeconds(10, +at(10))

/**
 * Starts a scheduler, and runs the clock from second 9 for `advance` seconds. Returns the storage, which has recorded
 * the calls of this time.
 */
async function callsOf(world: World, options: Partial<SchedulerOptions> & { jobs: Job[]; advance?: number }) {
  const { advance = 60, ...schedulerOptions } = options
  const counted = new InterceptedStorage(options.storage ?? world.connect())
  const scheduler = await world.start({ ...schedulerOptions, storage: counted.storage })
  const finished = listen(scheduler, 'occurrence.finished')
  await world.clock.advance({ seconds: 9 })
  counted.reset()
  await world.clock.advance({ seconds: advance })
  return { counted, scheduler, finished }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('an occurrence of one task costs two writes: the first creates and starts the occurrence, the second ends it', async () => {
    const world = createWorld(place)
    const job = defineJob({ name: 'one', schedule, tasks: [{ name: 'work', run: () => world.clock.sleep(500) }] })
    const { counted, scheduler } = await callsOf(world, { jobs: [job] })
    expect(await fates(scheduler, 'one')).toEqual(['10 completed'])
    expect(counted.count('createOccurrences')).toBe(1)
    expect(counted.count('settle')).toBe(1)
    expect(counted.writeCount).toBe(2)
  })

  it('an occurrence whose handler returns at once costs two writes', async () => {
    const job = defineJob({ name: 'one', schedule, tasks: [{ name: 'work', run: () => 1 }] })
    const { counted } = await callsOf(createWorld(place), { jobs: [job] })
    expect(counted.writeCount).toBe(2)
  })

  it.each([2, 3, 5])(
    'an occurrence of %i sequential tasks costs one additional write for each task after the first',
    async (count) => {
      const tasks = Array.from({ length: count }, (_, index) => ({ name: `task ${index}`, run: () => 1 }))
      const job = defineJob({ name: 'chain', schedule, tasks })
      const { counted, scheduler } = await callsOf(createWorld(place), { jobs: [job] })
      expect(await fates(scheduler, 'chain')).toEqual(['10 completed'])
      expect(counted.writeCount).toBe(count + 1)
    },
  )

  it('an occurrence of five parallel tasks that end together costs as many writes as one task', async () => {
    const tasks = Array.from({ length: 5 }, (_, index) => ({ name: `task ${index}`, run: () => 1 }))
    const job = defineJob({ name: 'fan', schedule, taskExecutionMode: 'parallel', tasks })
    const { counted } = await callsOf(createWorld(place), { jobs: [job] })
    expect(counted.writeCount).toBe(2)
  })

  it.each([0, 1, 2])('an occurrence with %i retries costs one additional write for each retry', async (retries) => {
    const run = ({ attempt }: { attempt: number }) => {
      if (attempt <= retries) throw new Error('no')
    }
    const retryPolicy = { maxRetries: 5, retryInterval: { seconds: 1 } }
    const job = defineJob({ name: 'flaky', schedule, retryPolicy, tasks: [{ name: 'work', run }] })
    const { counted, scheduler } = await callsOf(createWorld(place), { jobs: [job] })
    expect(await fates(scheduler, 'flaky')).toEqual(['10 completed'])
    expect(counted.writeCount).toBe(2 + retries)
  })

  it('a skipped slot costs one write', async () => {
    const world = createWorld(place)
    const tasks = [{ name: 'work', run: () => world.clock.sleep({ seconds: 15 }) }]
    const job = defineJob({ name: 'slow', schedule: everySeconds(10, +at(20)), tasks })
    const { counted, scheduler } = await callsOf(world, { jobs: [job] })
    expect(await fates(scheduler, 'slow')).toEqual(['10 completed', '20 skipped overlap'])
    expect(counted.writeCount).toBe(3)
  })

  it('a trigger costs two writes', async () => {
    const world = createWorld(place)
    const job = defineJob({ name: 'asked', schedule: everySeconds(3600), tasks: [{ name: 'work', run: () => 1 }] })
    const { counted, scheduler } = await callsOf(world, { jobs: [job] })
    counted.reset()
    await scheduler.trigger('asked')
    await world.clock.settle()
    expect(await scheduler.isRunning('asked')).toBe(false)
    expect(counted.writeCount).toBe(2)
  })

  it('jobs without a due slot cost no writes', async () => {
    const jobs = Array.from({ length: 50 }, (_, index) =>
      defineJob({ name: `idle ${index}`, schedule: everySeconds(86_400), tasks: [{ name: 'work', run: () => 1 }] }),
    )
    const { counted } = await callsOf(createWorld(place), { jobs, advance: 120 })
    expect(counted.writeCount).toBe(0)
  })

  it('once in each definition interval, a node reads the heads of some of its jobs, to find jobs that the storage has lost', async () => {
    const jobs = Array.from({ length: 50 }, (_, index) =>
      defineJob({ name: `idle ${index}`, schedule: everySeconds(86_400), tasks: [{ name: 'work', run: () => 1 }] }),
    )
    const definitionInterval = { seconds: 10 }
    const { counted } = await callsOf(createWorld(place), { jobs, ...tuned({ definitionInterval }), advance: 100 })
    const reads = counted.calls.filter(({ operation }) => operation === 'get')
    expect(reads).toHaveLength(10)
    // The node also calls `listJobs` for retention, which reads all heads. This test counts only the calls that poll for
    // changed definitions.
    const lists = counted.calls.filter(({ operation }) => operation === 'listJobs')
    expect(lists.filter(({ request }) => 'changedSince' in (request as object))).toHaveLength(10)
    const looked = reads.map(({ request }) => (request as { jobs: string[] }).jobs)
    // Nine heads are read every 10 s, so the reads of a minute cover all 50 heads.
    expect(looked.map(({ length }) => length)).toEqual(Array.from({ length: 10 }, () => 9))
    // The reads go through the heads one after the other: five reads cover 45 different heads, and six reads cover all 50.
    expect(new Set(looked.slice(0, 5).flat()).size).toBe(45)
    expect(new Set(looked.slice(0, 6).flat()).size).toBe(50)
  })

  it('a check for missing jobs reads at most twenty heads', async () => {
    const jobs = Array.from({ length: 200 }, (_, index) =>
      defineJob({ name: `idle ${index}`, schedule: everySeconds(86_400), tasks: [{ name: 'work', run: () => 1 }] }),
    )
    const { counted } = await callsOf(createWorld(place), {
      jobs,
      ...tuned({ definitionInterval: { seconds: 10 } }),
      advance: 100,
    })
    const reads = counted.calls.filter(({ operation }) => operation === 'get')
    const looked = reads.map(({ request }) => (request as { jobs: string[] }).jobs)
    expect(looked.map(({ length }) => length)).toEqual(Array.from({ length: 10 }, () => 20))
    expect(new Set(looked.flat()).size).toBe(200)
  })

  it('a change of definitions by another node causes no additional read of heads', async () => {
    const world = createWorld(place)
    const idle = (name: string) =>
      defineJob({ name, schedule: everySeconds(86_400), tasks: [{ name: 'work', run: () => 1 }] })
    const { counted } = await callsOf(world, { jobs: [idle('own')], ...tuned({ definitionInterval: { hours: 1 } }) })
    const other = await world.start()
    await other.add(idle('other'))
    await world.clock.advance({ seconds: 10 })
    expect(counted.count('get')).toBe(0)
  })
})

/** Returns the storage with the given `maxBatch`, the maximum number of items per call. */
function withMaxBatch(storage: Storage, maxBatch: number): Storage {
  const limited = new InterceptedStorage(storage).storage
  return Object.assign(limited, { capabilities: { ...storage.capabilities, maxBatch } })
}

describe('the occurrences of a thousand jobs that come due at one instant', () => {
  const thousand = (run: () => unknown): Job[] =>
    Array.from({ length: 1000 }, (_, index) =>
      defineJob({ name: `job ${index}`, schedule, tasks: [{ name: 'work', run }] }),
    )

  it.each([1000, 300, 7])(
    'are created and ended in the minimum number of calls for batches of %i',
    async (maxBatch) => {
      const world = createWorld(memory)
      const storage = withMaxBatch(world.connect(), maxBatch)
      const { counted, finished } = await callsOf(world, { jobs: thousand(() => 1), storage, maxConcurrentJobs: 1000 })
      expect(finished).toHaveLength(1000)
      expect(counted.count('createOccurrences')).toBe(Math.ceil(1000 / maxBatch))
      expect(counted.count('settle')).toBe(Math.ceil(1000 / maxBatch))
      expect(counted.writeCount).toBe(2 * Math.ceil(1000 / maxBatch))
    },
  )

  it('are ended in the minimum number of calls when their handlers end together 2 s later', async () => {
    const world = createWorld(memory)
    const storage = withMaxBatch(world.connect(), 100)
    const jobs = thousand(() => world.clock.sleep({ seconds: 2 }))
    const { counted, finished } = await callsOf(world, { jobs, storage, maxConcurrentJobs: 1000 })
    expect(finished).toHaveLength(1000)
    expect(counted.writeCount).toBe(20)
  })

  it('are created and ended in batches that never exceed the maximum batch of the storage', async () => {
    const world = createWorld(memory)
    const storage = withMaxBatch(world.connect(), 64)
    const { counted } = await callsOf(world, { jobs: thousand(() => 1), storage, maxConcurrentJobs: 1000 })
    const sizes = counted.calls
      .filter(({ operation }) => operation === 'createOccurrences' || operation === 'settle')
      .map(({ request }) => (request as { items: unknown[] }).items.length)
    expect(Math.max(...sizes)).toBe(64)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(2000)
  })

  it('cost one additional call for each batch of their second tasks', async () => {
    const world = createWorld(memory)
    const storage = withMaxBatch(world.connect(), 250)
    const run = () => 1
    const jobs = Array.from({ length: 1000 }, (_, index) =>
      defineJob({
        name: `job ${index}`,
        schedule,
        tasks: [
          { name: 'first', run },
          { name: 'second', run },
        ],
      }),
    )
    const { counted, finished } = await callsOf(world, { jobs, storage, maxConcurrentJobs: 1000 })
    expect(finished).toHaveLength(1000)
    expect(counted.count('createOccurrences')).toBe(4)
    expect(counted.count('settle')).toBe(8)
  })

  it('are ended in at most three calls if their handlers end during the first of these calls', async () => {
    const world = createWorld(memory)
    const counted = new InterceptedStorage(world.connect())
    // The handlers end one after another while the test holds back the node's first call of `settle`.
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let first = true
    counted.intercept = async (call) => {
      if (call.operation === 'settle' && first) {
        first = false
        await held
      }
      return call.proceed()
    }
    let called = 0
    const run = async () => {
      const turn = called++
      for (let wait = 0; wait < turn % 50; wait++) await new Promise((resolve) => setImmediate(resolve))
      if (turn === 999) release()
    }
    const scheduler = await world.start({ jobs: thousand(run), storage: counted.storage, maxConcurrentJobs: 1000 })
    const finished = listen(scheduler, 'occurrence.finished')
    await world.clock.advance({ seconds: 20 })
    expect(finished).toHaveLength(1000)
    expect(counted.count('settle')).toBeLessThanOrEqual(3)
  })
})

it('an idle node reads the head of each job about once a minute', async () => {
  const world = createWorld(memory)
  const jobs = Array.from({ length: 25 }, (_, index) =>
    defineJob({ name: `job ${index}`, schedule: everySeconds(86_400), tasks: [{ name: 'work', run: () => 1 }] }),
  )
  const counted = new InterceptedStorage(world.connect())
  await world.start({ jobs, storage: counted.storage, ...tuned({ definitionInterval: { seconds: 3 } }) })
  await world.clock.advance({ minutes: 1 })
  counted.reset()
  await world.clock.advance({ minutes: 1 })
  const asked = counted.calls
    .filter(({ operation }) => operation === 'get')
    .flatMap(({ request }) => (request as { readonly jobs?: readonly string[] }).jobs ?? [])
  expect(new Set(asked).size).toBe(25)
  expect(asked.length).toBeLessThanOrEqual(50)
})
