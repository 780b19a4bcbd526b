import { defineJob, type Job } from '@jobistemer/core'
import type { SaveJobsRequest } from '@jobistemer/core/storage'
import { describe, expect, it, vi } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, type World } from '../support/world.ts'

const handlers = { bill: () => 'billed' }

function dataJob(name: string, data: unknown = { tenant: name }): Job {
  return defineJob({ name, schedule: everySeconds(60, +at(60)), tasks: [{ name: 'bill', handler: 'bill', data }] })
}

/** Makes a job whose last slot is at 3 s. */
const jobThatIsOver = (): Job =>
  defineJob({
    name: 'over',
    schedule: everySeconds(1, +at(3)),
    tasks: [{ name: 'bill', handler: 'bill' }],
  })

const jobs = (count: number): Job[] => Array.from({ length: count }, (_, index) => dataJob(`job-${index}`))

async function start(world: World, maxBatch?: number) {
  const target = world.connect()
  const intercepted = new InterceptedStorage(target)
  const { maxBatch: ofStorage, ...rest } = target.capabilities
  const capabilities = { ...rest, maxBatch: maxBatch ?? ofStorage }
  const storage = Object.assign(intercepted.storage, { capabilities })
  const scheduler = await world.start({ storage, handlers })
  intercepted.reset()
  return { intercepted, scheduler }
}

/** Returns the sorted names of the stored jobs. */
async function stored(world: World): Promise<string[]> {
  const { items } = await world.connect().listJobs({ limit: 1000, cursor: null })
  return items.map(({ name }) => name).sort()
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('500 concurrent calls of `remove` delete their jobs in at most 10 storage calls', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world, 100)
    await scheduler.add(jobs(500))
    intercepted.reset()
    const removing = jobs(500).map(({ name }) => scheduler.remove(name))
    await world.clock.settle()
    await Promise.all(removing)
    expect(intercepted.count('saveJobs')).toBeLessThanOrEqual(10)
    expect(await stored(world)).toEqual([])
  })

  it('a shutdown during a call of `remove` ends the call with an error, and no further job is removed', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world, 100)
    await scheduler.add(jobs(300))
    intercepted.reset()
    const answers: (() => void)[] = []
    intercepted.intercept = async ({ operation, proceed }) => {
      if (operation === 'saveJobs') await new Promise<void>((resolve) => answers.push(resolve))
      return await proceed()
    }
    const removing = scheduler.remove(jobs(300).map(({ name }) => name)).catch(({ code }) => code)
    await vi.waitFor(() => expect(answers).toHaveLength(1), { timeout: 30_000 })
    await scheduler.shutdown()
    answers[0]?.()
    expect(await removing).toBe('SCHEDULER_STATE')
    expect(intercepted.count('saveJobs')).toBe(1)
    expect(await stored(world)).toHaveLength(200)
  })

  it('`add` and `remove` of 30 jobs listen to the caller’s signal at most once at a time', async () => {
    const world = createWorld(place)
    const { scheduler } = await start(world)
    const { signal } = new AbortController()
    let most = 0
    let listeners = 0
    const [listen, unlisten] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...given: Parameters<typeof listen>) => {
      most = Math.max(most, ++listeners)
      listen(...given)
    }
    signal.removeEventListener = (...given: Parameters<typeof unlisten>) => {
      listeners--
      unlisten(...given)
    }
    await scheduler.add(jobs(30), { signal })
    await scheduler.remove(
      jobs(30).map(({ name }) => name),
      { signal },
    )
    expect(most).toBe(1)
    expect(await stored(world)).toEqual([])
  })

  it('`add` with 250 jobs stores the jobs in batches of at most 100, and each job runs', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world, 100)
    const added = listen(scheduler, 'job.registered')
    await scheduler.add(jobs(250))
    expect([intercepted.count('get'), intercepted.count('saveJobs')]).toEqual([3, 3])
    expect(added.map(({ event }) => event.change)).toEqual(Array.from({ length: 250 }, () => 'created'))
    // `add` sorts the jobs of all batches by id, because a storage keeps records with adjacent ids next to each other.
    const saves = intercepted.calls.filter(({ operation }) => operation === 'saveJobs')
    const ids = saves.flatMap(({ request }) => (request as SaveJobsRequest).changes.map(({ id }) => id))
    expect(ids).toEqual(ids.toSorted())
    await world.clock.advanceTo(at(65))
    for (const name of ['job-0', 'job-99', 'job-100', 'job-249']) {
      expect(await fates(scheduler, name)).toEqual(['60 completed'])
    }
  })

  it('50 concurrent `add` calls are stored in one batch', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world)
    await Promise.all(jobs(50).map((job) => scheduler.add(job)))
    expect([intercepted.count('get'), intercepted.count('saveJobs')]).toEqual([1, 1])
    expect(await stored(world)).toHaveLength(50)
  })

  it('`add` with an array of jobs writes only jobs that are new or changed', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world)
    const [first, second] = jobs(2) as [Job, Job]
    await scheduler.add([first, second])
    intercepted.reset()
    const heard = listen(scheduler, 'job.registered')
    await scheduler.add([first, dataJob('job-1', 'changed'), dataJob('job-2')])
    expect(heard.map(({ event }) => [event.jobName, event.version, event.change]).sort()).toEqual([
      ['job-0', 1, 'unchanged'],
      ['job-1', 2, 'updated'],
      ['job-2', 1, 'created'],
    ])
    const changes = intercepted.calls.flatMap(({ operation, request }) =>
      operation === 'saveJobs' ? (request as { changes: unknown[] }).changes : [],
    )
    expect(changes).toHaveLength(2)
  })

  it('two nodes that add the same 20 jobs concurrently agree on the definitions', async () => {
    const world = createWorld(place)
    const nodes = [await start(world), await start(world)]
    await Promise.all(
      nodes.map(({ scheduler }, index) => scheduler.add(jobs(20).map(({ name }) => dataJob(name, index)))),
    )
    await world.clock.advanceTo(at(65))
    for (const { scheduler } of nodes) expect(await fates(scheduler, 'job-7')).toEqual(['60 completed'])
    const { items } = await world.connect().listJobs({ limit: 100, cursor: null })
    expect(new Set(items.map(({ version }) => version))).toEqual(new Set([2]))
  })

  it('`add` with an array that contains one invalid job stores none of the jobs', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world, 2)
    const over = jobThatIsOver()
    await world.clock.advanceTo(at(5))
    const large = defineJob({
      name: 'large',
      schedule: everySeconds(60),
      tasks: ['a', 'b', 'c'].map((name) => ({ name, handler: 'bill', data: 'x'.repeat(100_000) })),
    })
    const refusals: readonly [unknown, object][] = [
      [dataJob('job-0'), { code: 'DUPLICATE_JOB', field: 'jobs[4].name', value: 'job-0' }],
      [{ name: 'job' }, { code: 'INVALID_ARGUMENT', field: 'jobs[4]' }],
      [null, { code: 'INVALID_ARGUMENT', field: 'jobs[4]' }],
      [over, { code: 'SCHEDULE_NEVER_FIRES', message: expect.stringContaining('"over"') }],
      [large, { code: 'DATA_TOO_LARGE', message: expect.stringContaining('"large"') }],
    ]
    for (const [wrong, refusal] of refusals) {
      await expect(scheduler.add([...jobs(4), wrong as Job])).rejects.toMatchObject(refusal)
    }
    const long = Array.from({ length: 10_001 }, () => dataJob('same'))
    await expect(scheduler.add(long)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'jobs', value: 10_001 })
    expect(intercepted.count('saveJobs')).toBe(0)
    expect(await stored(world)).toEqual([])
    await scheduler.add([])
  })

  it('if a valid and an invalid job are added concurrently, only the call with the invalid job rejects', async () => {
    const world = createWorld(place)
    const { scheduler } = await start(world)
    const over = jobThatIsOver()
    await world.clock.advanceTo(at(5))
    const [good, bad] = await Promise.allSettled([scheduler.add(dataJob('good')), scheduler.add(over)])
    expect([good.status, bad]).toMatchObject(['fulfilled', { reason: { code: 'SCHEDULE_NEVER_FIRES' } }])
    expect(await stored(world)).toEqual(['good'])
  })

  it('`add` of one job rejects with the error of the storage if each read of this job fails', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world)
    await scheduler.add(dataJob('other'))
    intercepted.intercept = (call) =>
      call.operation === 'get' ? Promise.reject(new Error('unreadable')) : call.proceed()
    const heard = scheduler.add(dataJob('new'), { timeout: { hours: 1 } }).catch((error) => error)
    // The storage accepts the triggers of `other` while each read of the job `new` fails. So the scheduler does not regard the
    // storage as unavailable.
    for (let second = 0; second < 60; second++) {
      await world.clock.advance({ seconds: 1 })
      await scheduler.trigger('other')
    }
    expect(await heard).toEqual(new Error('unreadable'))
  })

  it('a node that crashes during `add` of 50 jobs leaves only complete jobs, and a peer can add all 50 again', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world, 10)
    let saves = 0
    intercepted.intercept = (call) =>
      call.operation === 'saveJobs' && ++saves === 3 ? new Promise(() => undefined) : call.proceed()
    // The call may reject, because its node crashes.
    void scheduler.add(jobs(50)).catch(() => undefined)
    for (let turn = 0; turn < 200 && saves < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    world.crash(scheduler)
    expect(await stored(world)).toHaveLength(20)
    const second = await world.start({ handlers })
    await second.add(jobs(50))
    await world.clock.advanceTo(at(65))
    for (const { name } of jobs(50)) expect(await fates(second, name)).toEqual(['60 completed'])
  })

  it('the error of `add` names the job that the storage rejects, and `add` stores the other jobs', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world)
    intercepted.intercept = (call) =>
      call.operation === 'saveJobs' && JSON.stringify(call.request).includes('"job-3"')
        ? Promise.reject(new RangeError('no'))
        : call.proceed()
    const adding = scheduler.add(jobs(5)).catch((error) => error)
    await world.clock.advance({ seconds: 8 })
    await expect(adding).resolves.toMatchObject({ code: 'STORAGE_REFUSED', message: expect.stringContaining('job-3') })
    expect(await stored(world)).toEqual(['job-0', 'job-1', 'job-2', 'job-4'])
    // The node runs the jobs that the storage has accepted.
    await world.clock.advanceTo(at(65))
    expect(await fates(scheduler, 'job-4')).toEqual(['60 completed'])
  })

  it('`remove` with an array deletes jobs in batches, and returns the names of the deleted jobs', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world, 10)
    await scheduler.add(jobs(25))
    const other = await start(world)
    await other.scheduler.remove('job-3')
    intercepted.reset()
    const names = jobs(24).map(({ name }) => name)
    const removed = await scheduler.remove(names)
    expect(removed).toEqual(names.filter((name) => name !== 'job-3'))
    expect(intercepted.count('saveJobs')).toBe(3)
    expect(await stored(world)).toEqual(['job-24'])
    await world.clock.advanceTo(at(65))
    expect(await fates(scheduler, 'job-0')).toEqual([])
    expect(await fates(scheduler, 'job-24')).toEqual(['60 completed'])
  })

  it('`remove` with an array that contains one invalid name deletes no job', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world)
    await scheduler.add(jobs(3))
    intercepted.reset()
    const refusals: readonly [unknown, object][] = [
      ['none', { code: 'JOB_NOT_FOUND', field: 'names[2]', value: 'none' }],
      ['job-0', { code: 'DUPLICATE_JOB', field: 'names[2]', value: 'job-0' }],
      ['', { code: 'INVALID_NAME', field: 'names[2]' }],
      [dataJob('job-2'), { code: 'INVALID_NAME', field: 'names[2]' }],
    ]
    for (const [wrong, refusal] of refusals) {
      await expect(scheduler.remove(['job-0', 'job-1', wrong as string])).rejects.toMatchObject(refusal)
    }
    await expect(scheduler.remove(['job-0'], { expectedVersion: 1 } as object)).rejects.toMatchObject({
      code: 'UNKNOWN_OPTION',
      field: 'options.expectedVersion',
    })
    expect(intercepted.count('saveJobs')).toBe(0)
    expect(await stored(world)).toHaveLength(3)
  })

  it('`remove` of several jobs, each with 200 waiting runs, cancels at most 250 runs in one storage call', async () => {
    const world = createWorld(place)
    const { intercepted, scheduler } = await start(world)
    const tasks = [{ name: 'bill', handler: 'bill' }]
    const crowded = jobs(5).map(({ name }) =>
      defineJob({ name, schedule: everySeconds(3600), overlapPolicy: 'allow', tasks }),
    )
    await scheduler.add(crowded)
    for (const { name } of crowded) await scheduler.pause(name)
    await scheduler.triggerMany(crowded.flatMap(({ name }) => Array.from({ length: 200 }, () => ({ job: name }))))
    intercepted.reset()
    await scheduler.remove(jobs(5).map(({ name }) => name))
    for (const { name } of jobs(5)) {
      const states = (await scheduler.occurrences({ job: name, limit: 1000 })).items.map(({ state }) => state)
      expect([states.length, new Set(states)]).toEqual([200, new Set(['canceled'])])
    }
    const limits = intercepted.calls.flatMap(({ operation, request }) => {
      const { changes, cancelLimit } = request as { changes: unknown[]; cancelLimit: number }
      return operation === 'saveJobs' ? [changes.length * cancelLimit] : []
    })
    expect(Math.max(...limits)).toBeLessThanOrEqual(250)
  })
})
