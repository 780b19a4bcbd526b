import { defineJob, type Scheduler, type TaskContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, type World } from '../support/world.ts'

type Handler = (context: TaskContext<undefined>) => unknown

const schedule = everySeconds(10, +at(10))

/** Starts a scheduler with a job whose only slot is at 10 s, on a storage that counts calls. */
async function startWith(world: World, run: Handler, settings: object = {}) {
  const counted = new InterceptedStorage(world.connect())
  const job = defineJob({ name: 'job', schedule, ...settings, tasks: [{ name: 'work', run }] })
  const scheduler = await world.start({ jobs: [job], storage: counted.storage })
  return { counted, scheduler }
}

async function progressOf(scheduler: Scheduler) {
  const { tasks } = await onlyOccurrence(scheduler, 'job')
  return tasks[0]?.progress ?? null
}

/** Makes a handler that reports its progress `times` times, evenly over `seconds`. */
function saying(world: World, times: number, seconds: number): Handler {
  return async (context) => {
    for (let said = 1; said <= times; said++) {
      await world.clock.sleep((seconds * 1000) / times)
      context.progress(said / times, `${said} of ${times}`)
    }
  }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('another process reads the last reported progress of a handler within a second', async () => {
    const world = createWorld(place)
    await startWith(world, saying(world, 100, 10))
    const other = world.scheduler()
    await world.clock.advanceTo(at(15.5))
    const early = await progressOf(other)
    expect(early?.fraction).toBeGreaterThanOrEqual(0.44)
    expect(early?.fraction).toBeLessThanOrEqual(0.55)
    expect(early).toMatchObject({ message: `${Math.round((early?.fraction ?? 0) * 100)} of 100` })
    await world.clock.advanceTo(at(21))
    expect(await progressOf(other)).toEqual({ fraction: 1, message: '100 of 100', at: at(20) })
  })

  it('1,000 progress reports of a handler in 10 s cause at most one storage call each second', async () => {
    const world = createWorld(place)
    const { counted, scheduler } = await startWith(world, saying(world, 1000, 10))
    await world.clock.advanceTo(at(9))
    counted.reset()
    await world.clock.advanceTo(at(30))
    expect(await fates(scheduler, 'job')).toEqual(['10 completed'])
    expect(counted.count('settle')).toBeGreaterThanOrEqual(9)
    expect(counted.count('settle')).toBeLessThanOrEqual(11)
  })

  it('a run that ends within a second makes no additional storage call for its progress', async () => {
    const world = createWorld(place)
    const { counted, scheduler } = await startWith(world, saying(world, 500, 0.9))
    await world.clock.advanceTo(at(9))
    counted.reset()
    await world.clock.advanceTo(at(30))
    expect(await progressOf(scheduler)).toMatchObject({ fraction: 1 })
    expect(counted.writeCount).toBe(2)
  })
})

it('the progress of 20 concurrent runs is stored together, in few storage calls', async () => {
  const world = createWorld()
  const counted = new InterceptedStorage(world.connect())
  const jobs = Array.from({ length: 20 }, (_, index) =>
    defineJob({ name: `job ${index}`, schedule, tasks: [{ name: 'work', run: saying(world, 100, 10) }] }),
  )
  await world.start({ jobs, storage: counted.storage })
  await world.clock.advanceTo(at(9))
  counted.reset()
  await world.clock.advanceTo(at(30))
  expect(counted.count('settle')).toBeLessThanOrEqual(11)
})

it('a retry starts without progress, and each attempt keeps its own progress', async () => {
  const world = createWorld()
  const seen: unknown[] = []
  const run: Handler = async (context) => {
    await world.clock.sleep(500)
    seen.push(await progressOf(other))
    context.progress(0.1 * context.attempt)
    if (context.attempt === 1) throw new Error('no')
  }
  const { scheduler } = await startWith(world, run, { retryPolicy: { maxRetries: 1, retryInterval: 5000 } })
  const other = world.scheduler()
  await world.clock.advanceTo(at(30))
  expect(seen).toEqual([null, null])
  const { tasks } = await onlyOccurrence(scheduler, 'job')
  expect(tasks[0]?.attempts.map(({ progress }) => progress)).toEqual([
    { fraction: 0.1, message: null, at: at(10.5) },
    { fraction: 0.2, message: null, at: at(16) },
  ])
  expect(tasks[0]?.progress?.fraction).toBe(0.2)
})

it('a progress report after the end of its attempt has no effect', async () => {
  const world = createWorld()
  const contexts: TaskContext<undefined>[] = []
  const run: Handler = async (context) => {
    contexts.push(context)
    context.progress(context.attempt / 10)
    await world.clock.sleep(100)
    if (context.attempt === 1) throw new Error('no')
    contexts[0]?.progress(0.9)
    await world.clock.sleep(5000)
  }
  const { counted, scheduler } = await startWith(world, run, { retryPolicy: { maxRetries: 1, retryInterval: 1000 } })
  await world.clock.advanceTo(at(12.5))
  const first = await onlyOccurrence(scheduler, 'job')
  expect(first.tasks[0]?.attempts.map(({ progress }) => progress?.fraction)).toEqual([0.1, 0.2])
  await world.clock.advanceTo(at(20))
  counted.reset()
  contexts[1]?.progress(0.9)
  await world.clock.advanceTo(at(25))
  expect(counted.writeCount).toBe(0)
  expect(await progressOf(scheduler)).toMatchObject({ fraction: 0.2 })
})

it('listeners receive the event `attempt.progressed` about once a second while a handler reports progress', async () => {
  const world = createWorld()
  const { scheduler } = await startWith(world, saying(world, 1000, 5))
  const told = listen(scheduler, 'attempt.progressed')
  await world.clock.advanceTo(at(30))
  expect(told.length).toBeGreaterThanOrEqual(4)
  expect(told.length).toBeLessThanOrEqual(5)
  expect(told[0]?.event).toMatchObject({ jobName: 'job', task: 'work', attempt: 1 })
  expect(told[0]?.event.fraction).toBeGreaterThan(0.15)
})

it.each([
  [[Number.NaN], 'fraction'],
  [[-0.1], 'fraction'],
  [[1.1], 'fraction'],
  [['0.5'], 'fraction'],
  [[0.5, 7], 'message'],
])('`progress` called with %j throws an error that names the field', async (given, field) => {
  const world = createWorld()
  const run: Handler = ({ progress }) => progress(...(given as [number]))
  const { scheduler } = await startWith(world, run)
  await world.clock.advanceTo(at(15))
  const { tasks } = await onlyOccurrence(scheduler, 'job')
  expect(tasks[0]?.error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(field) })
})

it('a progress message is cut to 200 characters, and never inside a surrogate pair', async () => {
  const world = createWorld()
  const run: Handler = ({ progress }) => progress(1, `${'x'.repeat(199)}😀`)
  const { scheduler } = await startWith(world, run)
  await world.clock.advanceTo(at(15))
  expect((await progressOf(scheduler))?.message).toBe('x'.repeat(199))
})
