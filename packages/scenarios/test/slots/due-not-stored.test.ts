import { defineJob, type Job, JobistemerError, type Scheduler, type SchedulerOptions } from '@jobistemer/core'
import { type StorageMethod, wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

const life = { deadAfter: { seconds: 30 } }

/** Defines a job that is data: its task names a handler and contains no function. */
function dataJob(name: string, seconds: number, settings: Partial<Parameters<typeof defineJob>[0]> = {}): Job {
  return defineJob({ name, schedule: everySeconds(seconds), ...settings, tasks: [{ name: 'work', handler: 'note' }] })
}

/** Defines `count` jobs. The slots of the first job are 11 s apart, the slots of the second job 12 s, and so on. */
function crowd(count: number, settings: Parameters<typeof dataJob>[2] = {}): readonly Job[] {
  return Array.from({ length: count }, (_, index) => dataJob(`job ${index}`, 11 + index, settings))
}

const namesOf = (jobs: readonly Job[]): string[] => jobs.map(({ name }) => name)

/** Returns the last slot up to second `upTo` of a job whose slots are `seconds` apart. */
function lastSlot(seconds: number, upTo: number): number {
  return secondsOf(Math.floor(+at(upTo) / 1000 / seconds) * seconds * 1000)
}

/**
 * Returns the slots of the first `count` jobs after second `after`, up to and including second `upTo`. The seconds count from
 * the start of the virtual clock.
 */
function slotsOf(count: number, after: number, upTo: number): string[] {
  return Array.from({ length: count }, (_, index) => 11 + index).flatMap((seconds, index) => {
    const slots: number[] = []
    for (let slot = lastSlot(seconds, upTo); slot > after; slot -= seconds) slots.push(slot)
    return slots.map((slot) => `job ${index} at ${slot}`)
  })
}

/**
 * Makes options of nodes that hold at most five jobs. `ran` lists their runs, such as `'job 3 at 14'`, and `late` lists the
 * delayed runs with their delays.
 */
function noting(world: World) {
  const ran: string[] = []
  const late: string[] = []
  const byNode = new Map<string, number>()
  const optionsOf = (nodeId: string): Partial<SchedulerOptions> => ({
    nodeId,
    ...life,
    ...tuned({ heldJobs: 5 }),
    scheduleTypes: [everyType],
    handlers: {
      note: ({ job, scheduledAt }) => {
        const line = `${job.name} at ${secondsOf(scheduledAt)}`
        ran.push(line)
        byNode.set(nodeId, (byNode.get(nodeId) ?? 0) + 1)
        const lateBy = (world.clock.now() - +scheduledAt) / 1000
        if (lateBy > 0) late.push(`${line}, ${lateBy} s late`)
      },
    },
  })
  return { ran, late, byNode, optionsOf }
}

/**
 * Returns the names of the jobs that a node holds. Calls `explain` for each job with an invalid instant and an aborted signal:
 * - For a held job, `explain` rejects because of the instant.
 * - For any other job, `explain` must load the job first, so it rejects because of the signal.
 */
async function heldOf(scheduler: Scheduler, jobs: readonly Job[]): Promise<string[]> {
  const held: string[] = []
  for (const name of namesOf(jobs)) {
    const refusal: unknown = await scheduler
      .explain(name, 'no instant', { signal: AbortSignal.abort() })
      .catch((error: unknown) => error)
    if (JobistemerError.isInstance(refusal, 'INVALID_INSTANT')) held.push(name)
    else expect(refusal).toMatchObject({ code: 'ABORTED' })
  }
  return held
}

/** Stores jobs through a node that shuts down afterwards. */
async function storeElsewhere(world: World, jobs: readonly Job[]): Promise<void> {
  const other = await world.start({ nodeId: 'other', handlers: { note: () => undefined }, ...life })
  await other.add(jobs)
  await world.shutdown(other)
}

/** Advances the clock by `seconds`, and returns the calls of a storage method in this time. */
async function callsWithin(world: World, counted: InterceptedStorage, seconds: number, method: StorageMethod) {
  counted.reset()
  await world.clock.advance({ seconds })
  return counted.calls.filter(({ operation }) => operation === method)
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a node that may hold 5 of 200 jobs exceeds this limit for due jobs, holds fewer than 60 jobs, and runs each slot once in time', async () => {
    const world = createWorld(place)
    const jobs = crowd(200)
    const { ran, late, optionsOf } = noting(world)
    await storeElsewhere(world, jobs)
    // A node that starts at 0.4 s polls between the slots, and never at the instant of a slot.
    await world.clock.advanceTo(at(0.4))
    const scheduler = await world.start(optionsOf('only'))
    let most = 0
    for (let second = 30; second <= 150; second += 30) {
      await world.clock.advanceTo(at(second + 0.5))
      most = Math.max(most, (await heldOf(scheduler, jobs)).length)
    }
    expect(ran.sort()).toEqual(slotsOf(200, 0, 150).sort())
    expect(late).toEqual([])
    // At most 18 of the 200 jobs are due within one second. The node loads jobs two seconds ahead, so it holds fewer than
    // 60 jobs.
    expect(most).toBeLessThan(60)
    expect((await heldOf(scheduler, jobs)).length).toBeGreaterThanOrEqual(5)
  })

  it("the number of a node's storage calls does not depend on the number of stored jobs", async () => {
    const world = createWorld(place)
    await storeElsewhere(
      world,
      Array.from({ length: 1500 }, (_, index) => dataJob(`job ${index}`, 86_400)),
    )
    const counted = new InterceptedStorage(world.connect())
    await world.start({ ...noting(world).optionsOf('only'), storage: counted.storage })
    // The first call shows that the storage has more jobs than the node may hold. The second call queries the due jobs.
    expect(counted.count('listJobs')).toBe(2)
    const listings = await callsWithin(world, counted, 60, 'listJobs')
    // Leaves out the calls of retention: once an hour, one node lists all jobs for retention.
    const looks = listings.filter(
      ({ request }) => 'due' in (request as object) || 'changedSince' in (request as object),
    )
    // In a minute the node makes one query for due jobs each second, and at most one query for changes every three seconds.
    expect(looks.length).toBeGreaterThanOrEqual(59)
    expect(looks.length).toBeLessThanOrEqual(62 + 20)
  })

  it('a job that another process adds for the next second runs in time without a wake-up', async () => {
    const world = createWorld(place)
    const { ran, late, optionsOf } = noting(world)
    await storeElsewhere(world, crowd(50))
    const deaf = wrapStorage(world.connect(), { subscribe: undefined })
    await world.start({ ...optionsOf('only'), storage: deaf, ...tuned({ definitionInterval: { hours: 1 } }) })
    const client = await world.start({ nodeId: 'client', ...life })
    await world.clock.advanceTo(at(8.9))
    await client.add(dataJob('soon', 10))
    await world.clock.advanceTo(at(30.5))
    expect(ran.filter((line) => line.startsWith('soon'))).toEqual(['soon at 10', 'soon at 20', 'soon at 30'])
    expect(late).toEqual([])
  })

  it('a job that a client removes, re-creates or updates runs by its stored definition', async () => {
    const world = createWorld(place)
    const { ran, late, optionsOf } = noting(world)
    const three = ['removed', 'anew', 'updated'].map((name) => dataJob(name, 10))
    // This node has no handlers, and holds no job.
    const client = await world.start({ nodeId: 'client', ...tuned({ heldJobs: 0 }), ...life })
    await client.add([...crowd(50), ...three])
    const node = await world.start({ ...optionsOf('only'), ...tuned({ definitionInterval: { hours: 1 } }) })
    await world.clock.advanceTo(at(8.6))
    expect(await heldOf(node, three)).toHaveLength(3)
    expect(await heldOf(client, three)).toEqual([])
    // The node loads jobs two seconds ahead of their slots, so it has loaded these jobs before they change.
    await client.remove(['removed', 'anew'])
    await client.add(dataJob('anew', 6))
    await client.update('updated', { schedule: everySeconds(4) })
    await world.shutdown(client)
    await world.clock.advanceTo(at(19))
    const own = (name: string) => ran.filter((line) => line.startsWith(name))
    expect(own('removed')).toEqual([])
    expect(own('anew')).toEqual(['anew at 12', 'anew at 18'])
    expect(own('updated')).toEqual(['updated at 12', 'updated at 16'])
    expect(late).toEqual([])
  })

  it('a call that names a job makes the node load the job, if the node did not hold the job before', async () => {
    const world = createWorld(place)
    const { ran, optionsOf } = noting(world)
    const jobs = Array.from({ length: 40 }, (_, index) => dataJob(`job ${index}`, 86_400))
    await storeElsewhere(world, jobs)
    const node = await world.start(optionsOf('only'))
    await world.clock.advance({ seconds: 5 })
    const held = await heldOf(node, jobs)
    const free = namesOf(jobs).filter((name) => !held.includes(name))
    expect(free.length).toBeGreaterThanOrEqual(35)
    const [asked, paused, explained, updated, removed, canceled, ...many] = free as [string, ...string[]] & string[]
    const { id } = await node.trigger(asked)
    await world.clock.advance({ seconds: 1 })
    expect(ran).toEqual([`${asked} at 5`])
    await node.replay(id)
    await node.pause(paused as string, { reason: 'rest' })
    expect((await node.explain(paused as string, at(86_400))).verdict).toBe('paused')
    await node.resume(paused as string)
    expect((await node.explain(explained as string, at(86_400))).verdict).toBe('will_run')
    expect(await node.update(updated as string, { misfireThreshold: 1 })).toMatchObject({ changed: true })
    await node.remove(removed as string)
    await node.cancelSlot(canceled as string, at(86_400))
    expect(await node.remove(many.slice(0, 5))).toEqual(many.slice(0, 5))
    expect(await node.triggerMany(many.slice(5, 10).map((job) => ({ job })))).toHaveLength(5)
    await world.clock.advance({ seconds: 1 })
    expect(ran).toHaveLength(1 + 1 + 5)
    await expect(node.trigger(removed as string)).rejects.toMatchObject({ code: 'JOB_NOT_FOUND', field: 'name' })
    await expect(node.triggerMany([{ job: many[0] as string }])).rejects.toMatchObject({ field: 'items[0].job' })
    await expect(node.remove(['never added'])).rejects.toMatchObject({ code: 'JOB_NOT_FOUND', field: 'names[0]' })
  })

  it('slots that were missed while no node lived are recovered, and later slots run', async () => {
    const world = createWorld(place)
    const { ran, optionsOf } = noting(world)
    await storeElsewhere(world, crowd(100, { misfireThreshold: 100 }))
    await world.clock.advanceTo(at(3600.9))
    const node = await world.start(optionsOf('only'))
    await world.clock.advanceTo(at(3700.5))
    const recovered = Array.from({ length: 100 }, (_, index) => `job ${index} at ${lastSlot(11 + index, 3600)}`)
    expect(ran.sort()).toEqual([...recovered, ...slotsOf(100, 3600, 3700)].sort())
    expect((await fates(node, 'job 0'))[0]).toMatch(/missed/)
  })

  it('each node loads the due jobs that are assigned to it, and its peers load the jobs of a dead node', async () => {
    const world = createWorld(place)
    const { ran, late, byNode, optionsOf } = noting(world)
    await storeElsewhere(world, crowd(100))
    const nodes: Scheduler[] = []
    for (const nodeId of ['a', 'b', 'c']) nodes.push(await world.start(optionsOf(nodeId)))
    await world.clock.advanceTo(at(60.5))
    expect(ran.splice(0).sort()).toEqual(slotsOf(100, 0, 60).sort())
    expect(late).toEqual([])
    expect([...byNode.keys()].sort()).toEqual(['a', 'b', 'c'])
    world.crash(nodes[0] as Scheduler)
    await world.clock.advanceTo(at(100.5))
    const orphans = late.splice(0)
    expect(orphans.length).toBeGreaterThan(0)
    expect(Math.max(...orphans.map((line) => Number(/, ([\d.]+) s late$/.exec(line)?.[1])))).toBeLessThanOrEqual(2)
    await world.clock.advanceTo(at(200.5))
    expect(late).toEqual([])
    expect(ran.sort()).toEqual(slotsOf(100, 60, 200).sort())
  })

  it('a node claims pending runs whether it holds their jobs or not', async () => {
    const world = createWorld(place)
    const { ran, optionsOf } = noting(world)
    const jobs = Array.from({ length: 60 }, (_, index) => dataJob(`job ${index}`, 86_400))
    await storeElsewhere(world, jobs)
    const first = await world.start({ ...optionsOf('first'), maxConcurrentJobs: 1 })
    await first.triggerMany(namesOf(jobs).map((job) => ({ job })))
    await world.start({ ...optionsOf('second'), maxConcurrentJobs: 3 })
    await world.clock.advance({ seconds: 30 })
    expect(new Set(ran.map((line) => line.split(' at ')[0]))).toEqual(new Set(namesOf(jobs)))
    expect(ran).toHaveLength(60)
  })

  it('a node stores slots of paused jobs as skipped, and creates no slots of jobs without a handler', async () => {
    const world = createWorld(place)
    const { ran, optionsOf } = noting(world)
    const foreign = defineJob({
      name: 'foreign',
      schedule: everySeconds(10),
      tasks: [{ name: 'work', handler: 'elsewhere' }],
    })
    await storeElsewhere(world, [...crowd(50), dataJob('resting', 10), foreign])
    const node = await world.start(optionsOf('only'))
    await node.pause('resting')
    await world.clock.advanceTo(at(30.5))
    expect(await fates(node, 'resting')).toEqual(['10 skipped paused', '20 skipped paused', '30 skipped paused'])
    expect(await fates(node, 'foreign')).toEqual([])
    const able = await world.start({ ...optionsOf('able'), handlers: { elsewhere: () => 1 } })
    await node.resume('resting')
    await world.clock.advanceTo(at(60.5))
    expect(ran.filter((line) => line.startsWith('resting'))).toEqual([
      'resting at 40',
      'resting at 50',
      'resting at 60',
    ])
    expect((await fates(able, 'foreign')).slice(-3)).toEqual(['40 completed', '50 completed', '60 completed'])
  })
})

describe('a node that loads due jobs', () => {
  it('continues after the last loaded job if the node may hold fewer jobs than are due', async () => {
    const world = createWorld(memory)
    const { ran, optionsOf } = noting(world)
    const jobs = Array.from({ length: 2200 }, (_, index) => dataJob(`job ${index}`, 3600))
    await storeElsewhere(world, jobs)
    await world.clock.advanceTo(at(7000))
    const node = await world.start({ ...optionsOf('only'), maxConcurrentJobs: 100 })
    const held = (await heldOf(node, jobs)).length
    expect(held).toBeGreaterThan(500)
    expect(held).toBeLessThanOrEqual(2000)
    await world.clock.advance({ seconds: 3 })
    expect(new Set(ran).size).toBe(2200)
    expect(ran).toHaveLength(2200)
  })

  it('evicts jobs if more jobs are added than the node may hold, and emits no event when it loads or evicts a job', async () => {
    const world = createWorld(memory)
    const { ran, late, optionsOf } = noting(world)
    const node = await world.start(optionsOf('only'))
    const heard = listen(node, 'job.registered', 'job.removed')
    const jobs = crowd(50)
    await node.add(jobs)
    await world.clock.advanceTo(at(100.5))
    expect(ran.sort()).toEqual(slotsOf(50, 0, 100).sort())
    expect(late).toEqual([])
    expect((await heldOf(node, jobs)).length).toBeLessThan(50)
    expect(heard.map(({ event }) => event.jobName).sort()).toEqual([...namesOf(jobs)].sort())
  })

  it('holds all jobs if the storage has no index of due jobs', async () => {
    const world = createWorld(memory)
    const { ran, late, optionsOf } = noting(world)
    const jobs = crowd(50)
    await storeElsewhere(world, jobs)
    const storage = world.connect()
    const limited = wrapStorage(storage, { capabilities: { ...storage.capabilities, findsDueJobs: false } })
    const node = await world.start({ ...optionsOf('only'), storage: limited })
    await world.clock.advanceTo(at(100.5))
    expect(ran.sort()).toEqual(slotsOf(50, 0, 100).sort())
    expect(late).toEqual([])
    expect(await heldOf(node, jobs)).toEqual(namesOf(jobs))
  })

  it('keeps jobs with its own code, however many jobs are stored', async () => {
    const world = createWorld(memory)
    const { optionsOf } = noting(world)
    const jobs = crowd(50)
    await storeElsewhere(world, jobs)
    const schedule = everySeconds(86_400)
    const tasks = [{ name: 'work', run: () => 1 }]
    const code = defineJob({ name: 'code', schedule, tasks })
    const given = dataJob('given', 86_400)
    const node = await world.start({ ...optionsOf('only'), jobs: [code, given] })
    await node.add(defineJob({ name: 'added code', schedule, tasks }))
    await world.clock.advance({ seconds: 60 })
    for (const name of ['code', 'given', 'added code']) expect(await node.nextRuns(name, 1)).toEqual([at(86_400)])
    expect((await heldOf(node, jobs)).length).toBeLessThan(50)
  })

  it('emits an event with the name of the job when it cancels a run of a job that the node does not hold', async () => {
    const world = createWorld(memory)
    const { optionsOf } = noting(world)
    const jobs = Array.from({ length: 30 }, (_, index) => dataJob(`job ${index}`, 86_400))
    await storeElsewhere(world, jobs)
    const node = await world.start({ ...optionsOf('only') })
    const held = await heldOf(node, jobs)
    const [name = ''] = namesOf(jobs).filter((one) => !held.includes(one))
    await node.pause(name)
    const { id } = await node.trigger(name)
    // `explain` loads all other jobs, so that the node evicts this job from its memory.
    for (const { name: other } of jobs.filter((job) => job.name !== name)) await node.explain(other, at(1))
    await world.clock.advance({ seconds: 3 })
    expect(await heldOf(node, jobs)).not.toContain(name)
    const heard = listen(node, 'occurrence.canceled')
    await node.cancel(id)
    expect(heard.map(({ event }) => event.jobName)).toEqual([name])
  })
})
