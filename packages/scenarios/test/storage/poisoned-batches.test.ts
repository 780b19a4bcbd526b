import { defineJob, type Job, type Logger } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf, type World } from '../support/world.ts'

/** Wraps a connection so that it rejects each call with an item for which `isPoisoned` returns true. */
function choking(world: World, isPoisoned: (text: string) => boolean): { storage: Storage; calls: () => number } {
  let calls = 0
  const storage = wrapStorage(world.connect(), {
    around(call) {
      const hasItems = call.method === 'settle' || call.method === 'createOccurrences'
      if (hasItems) calls++
      if (hasItems && call.request.items.some((item) => isPoisoned(JSON.stringify(item)))) {
        throw new RangeError('too deep')
      }
      return call.proceed()
    },
  })
  return { storage, calls: () => calls }
}

function working(world: World, name: string, result: (slot: number) => unknown): Job {
  const run = async ({ scheduledAt }: { readonly scheduledAt: Date }) => {
    await world.clock.sleep(100)
    return result(secondsOf(scheduledAt))
  }
  return defineJob({ name, schedule: everySeconds(60, +at(180)), tasks: [{ name: 'work', run }] })
}

function errors(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = []
  const keep = (fields: object, message: string) => {
    lines.push(`${(fields as { job?: string }).job ?? ''}: ${message}`)
  }
  return { lines, logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: keep } }
}

describe('a node whose storage rejects some calls', () => {
  it('fails only the run of a task if the storage rejects each call with the result of this task', async () => {
    const world = createWorld()
    const { storage } = choking(world, (text) => text.includes('poison'))
    const names = Array.from({ length: 20 }, (_, index) => `job-${index}`)
    const jobs = names.map((name) => working(world, name, () => 'well'))
    const bad = working(world, 'bad', (slot) => (slot === 60 ? 'poison' : 'well'))
    const { lines, logger } = errors()
    const scheduler = await world.start({ jobs: [...jobs.slice(0, 10), bad, ...jobs.slice(10)], storage, logger })
    await world.clock.advanceTo(at(185))
    for (const name of names) {
      expect(await fates(scheduler, name)).toEqual(['60 completed', '120 completed', '180 completed'])
    }
    expect(await fates(scheduler, 'bad')).toEqual(['60 failed storage_refused', '120 completed', '180 completed'])
    const [first] = (await scheduler.occurrences({ job: 'bad' })).items
    expect(first?.tasks).toMatchObject([{ state: 'failed', error: { code: 'STORAGE_REFUSED' } }])
    expect(lines).toContain('bad: the storage rejected a step of this run: the run fails')
  })

  it('fails a run before its second task if the storage rejects each call with the result of the first task', async () => {
    const world = createWorld()
    const { storage } = choking(world, (text) => text.includes('poison'))
    const called: string[] = []
    const task = (name: string) => ({
      name,
      run: async () => {
        called.push(name)
        await world.clock.sleep(100)
        return name === 'first' ? 'poison' : 'well'
      },
    })
    const bad = defineJob({ name: 'bad', schedule: everySeconds(60, +at(60)), tasks: [task('first'), task('second')] })
    const ticking = working(world, 'ticking', () => 'well')
    const scheduler = await world.start({ jobs: [bad, ticking], storage })
    await world.clock.advanceTo(at(185))
    expect(called).toEqual(['first'])
    expect(await onlyOccurrence(scheduler, 'bad')).toMatchObject({
      state: 'failed',
      reason: 'storage_refused',
      tasks: [
        { name: 'first', state: 'failed' },
        { name: 'second', state: 'canceled' },
      ],
    })
    expect(await fates(scheduler, 'ticking')).toEqual(['60 completed', '120 completed', '180 completed'])
  })

  it('fails a run if the storage rejects each call with an attempt’s error, although retries are left', async () => {
    const world = createWorld()
    const { storage } = choking(world, (text) => text.includes('poison'))
    const run = async () => {
      await world.clock.sleep(100)
      throw new Error('poison')
    }
    const bad = defineJob({
      name: 'bad',
      schedule: everySeconds(60, +at(60)),
      retryPolicy: { maxRetries: 3, retryInterval: { seconds: 1 } },
      tasks: [{ name: 'work', run }],
    })
    const ticking = working(world, 'ticking', () => 'well')
    const scheduler = await world.start({ jobs: [bad, ticking], storage })
    const lost = listen(scheduler, 'occurrence.lost')
    await world.clock.advanceTo(at(185))
    expect(lost).toEqual([])
    expect(await fates(scheduler, 'bad')).toEqual(['60 failed storage_refused'])
    expect(await fates(scheduler, 'ticking')).toEqual(['60 completed', '120 completed', '180 completed'])
  })

  it('completes other runs, and leaves a run to the reaper if the storage rejects each call with the run’s end', async () => {
    const world = createWorld()
    const bad = working(world, 'bad', () => 'poison')
    const { storage } = choking(world, (text) => text.includes(bad.id) && text.includes('"finish"'))
    const ticking = working(world, 'ticking', () => 'well')
    const scheduler = await world.start({ jobs: [bad, ticking], storage })
    const lost = listen(scheduler, 'occurrence.lost')
    await world.clock.advanceTo(at(185))
    expect(lost).toHaveLength(1)
    expect(await fates(scheduler, 'ticking')).toEqual(['60 completed', '120 completed', '180 completed'])
  })

  it('suspends a job for a minute and emits an event if the storage rejects each call with a slot of this job', async () => {
    const world = createWorld()
    const bad = working(world, 'bad', () => 'well')
    const endless = defineJob({ name: 'endless', schedule: everySeconds(60), tasks: [{ name: 'work', run: () => 1 }] })
    let isFull = true
    const { storage } = choking(world, (text) => isFull && text.includes(endless.id))
    const scheduler = await world.start({ jobs: [bad, endless, working(world, 'ticking', () => 'well')], storage })
    const failures = listen(scheduler, 'engine.failed')
    await world.clock.advanceTo(at(185))
    for (const name of ['bad', 'ticking']) {
      expect(await fates(scheduler, name)).toEqual(['60 completed', '120 completed', '180 completed'])
    }
    expect(new Set(failures.map(({ event }) => event.where))).toEqual(new Set(['due slots of job endless']))
    isFull = false
    await world.clock.advanceTo(at(305))
    expect((await fates(scheduler, 'endless')).at(-1)).toBe('300 completed')
  })

  it('fails no run in an outage, in which the storage rejects all calls for some time', async () => {
    const world = createWorld()
    let isAway = false
    const { storage } = choking(world, () => isAway)
    const jobs = ['a', 'b', 'c'].map((name) => working(world, name, () => 'well'))
    const scheduler = await world.start({ jobs, storage })
    await world.clock.advanceTo(at(60.05))
    isAway = true
    await world.clock.advanceTo(at(100))
    isAway = false
    await world.clock.advanceTo(at(185))
    for (const { name } of jobs) {
      expect(await fates(scheduler, name)).toEqual(['60 completed', '120 completed', '180 completed'])
    }
  })

  it('fails no run whose first write the storage rejects just before an outage', async () => {
    const world = createWorld()
    const storage = wrapStorage(world.connect(), {
      around(call) {
        const isAway = world.clock.now() > +at(60.5) && world.clock.now() < +at(100)
        const isFirst = call.method === 'settle' && JSON.stringify(call.request).includes('unlucky')
        if (isAway || (isFirst && world.clock.now() < +at(100))) throw new RangeError('no answer')
        return call.proceed()
      },
    })
    const names = ['unlucky', 'well']
    const jobs = names.map((name) =>
      defineJob({
        name,
        schedule: everySeconds(60, +at(120)),
        tasks: [{ name: 'work', run: () => world.clock.sleep(name === 'well' ? 100 : 50).then(() => name) }],
      }),
    )
    const scheduler = await world.start({ jobs, storage })
    await world.clock.advanceTo(at(185))
    for (const name of names) expect(await fates(scheduler, name)).toEqual(['60 completed', '120 completed'])
  })
})

it('a job whose maxQueued is above the limit of the storage is rejected', async () => {
  const world = createWorld()
  const target = world.connect()
  const storage = Object.assign(wrapStorage(target, { around: (call) => call.proceed() }), {
    capabilities: { ...target.capabilities, maxQueued: 500 },
  })
  const job = (maxQueued: number) =>
    defineJob({
      name: 'job',
      schedule: everySeconds(10),
      overlapPolicy: 'queue',
      maxQueued,
      tasks: [{ name: 'work', run: () => 1 }],
    })
  const scheduler = await world.start({ storage })
  const refusal = { code: 'INVALID_ARGUMENT', field: 'maxQueued', value: 501 }
  await expect(scheduler.add(job(501))).rejects.toMatchObject(refusal)
  await scheduler.add(job(500))
  await expect(scheduler.update('job', { maxQueued: 501 })).rejects.toMatchObject(refusal)
  // The limit of `maxQueued` does not apply to an overlap policy that never queues.
  await scheduler.update('job', { overlapPolicy: 'skip', maxQueued: 501 })
})

it('a definition that is too large is rejected before it is sent to the storage', async () => {
  const world = createWorld()
  const data = 'x'.repeat(100_000)
  const tasks = ['a', 'b', 'c'].map((name) => ({ name, data, run: () => 1 }))
  const large = defineJob({ name: 'large', schedule: everySeconds(10), tasks })
  await expect(world.scheduler({ jobs: [large] }).start()).rejects.toMatchObject({
    code: 'DATA_TOO_LARGE',
    field: 'tasks',
  })
  // The stored form of a custom schedule has no size limit of its own. So a long stored form can make the definition exceed the
  // size limit.
  const schedule = everySeconds(10)
  schedule.toJSON = () => ({ type: 'every', intervalMs: 10_000, days: Array.from({ length: 50_000 }, (_, day) => day) })
  const dense = defineJob({ name: 'dense', schedule, tasks: [{ name: 'work', run: () => 1 }] })
  const scheduler = await world.start()
  for (const job of [large, dense]) {
    await expect(scheduler.add(job)).rejects.toMatchObject({
      code: 'DATA_TOO_LARGE',
      message: expect.stringContaining(`"${job.name}"`),
    })
  }
})
