import { defineJob, type Job, type JobSettingsInput, type TaskContext } from '@jobistemer/core'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'

interface Call {
  readonly slot: number
  readonly build: string
  readonly version: number
}

/** `build` defines the job of the build with this name. `calls` lists the handler calls of all builds. */
function builds(world: World) {
  const calls: Call[] = []
  const build = (name: string, every: number, settings: JobSettingsInput & { takes?: number } = {}): Job => {
    const { takes = 0, ...jobSettings } = settings
    const run = async ({ scheduledAt, job }: TaskContext) => {
      calls.push({ slot: secondsOf(scheduledAt), build: name, version: job.version })
      if (takes > 0) await world.clock.sleep({ seconds: takes })
    }
    // A definition contains the data of its tasks, but no code. So different data make different definitions.
    const tasks = [{ name: 'work', data: { build: name }, run }]
    return defineJob({ name: 'job', schedule: everySeconds(every), ...jobSettings, tasks })
  }
  return { calls, build, slots: () => calls.map((call) => `${call.slot} ${call.build} v${call.version}`) }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('two nodes with equal definitions of a job store one version', async () => {
    const world = createWorld(place)
    const { build } = builds(world)
    const changes: unknown[] = []
    for (let node = 0; node < 2; node++) {
      const scheduler = world.scheduler({ jobs: [build('a', 10)] })
      const heard = listen(scheduler, 'job.registered')
      await scheduler.start()
      changes.push(...heard.map(({ event }) => [event.change, event.version, event.nextAt]))
    }
    expect(changes).toEqual([
      ['created', 1, at(10)],
      ['unchanged', 1, at(10)],
    ])
  })

  it('a node with a changed definition stores a new version, whose schedule applies from the present on', async () => {
    const world = createWorld(place)
    const { build, slots } = builds(world)
    const first = await world.start({ jobs: [build('a', 20)] })
    await world.clock.advance({ seconds: 45 })
    await world.shutdown(first)
    const second = world.scheduler({ jobs: [build('b', 15)] })
    const heard = listen(second, 'job.registered')
    await second.start()
    await world.clock.advance({ seconds: 45 })
    expect(heard.map(({ event }) => [event.change, event.version, event.nextAt])).toEqual([['updated', 2, at(60)]])
    expect(slots()).toEqual(['20 a v1', '40 a v1', '60 b v2', '75 b v2', '90 b v2'])
  })

  it('a changed schedule does not change slots that were due before the change', async () => {
    const world = createWorld(place)
    const { build, slots } = builds(world)
    const settings = { recoveryStrategy: 'execute_all', overlapPolicy: 'queue' } as const
    await world.shutdown(await world.start({ jobs: [build('a', 100, settings)] }))
    await world.clock.advanceTo(at(350))
    const second = await world.start({ jobs: [build('b', 30, settings)] })
    await world.clock.advance({ seconds: 45 })
    // Slots 100 and 200 are missed, and slot 300 is 50 s late. The new schedule begins with slot 360.
    expect(slots()).toEqual(['100 b v2', '200 b v2', '300 b v2', '360 b v2', '390 b v2'])
    expect(await fates(second, 'job')).toHaveLength(5)
  })

  it('a running node follows a newer definition and runs its own code under that definition', async () => {
    const world = createWorld(place)
    const { build, slots, calls } = builds(world)
    await world.start({ jobs: [build('old', 20)], nodeId: 'old' })
    await world.clock.advance({ seconds: 25 })
    const second = await world.start({ jobs: [build('new', 15)], nodeId: 'new' })
    await world.clock.advance({ seconds: 70 })
    expect(calls.map((call) => call.slot)).toEqual([20, 30, 45, 60, 75, 90])
    expect(new Set(calls.slice(1).map((call) => call.version))).toEqual(new Set([2]))
    expect(slots()[0]).toBe('20 old v1')
    expect(await fates(second, 'job')).toHaveLength(6)
  })

  it('an older build that starts later does not restore its definition while the newer build lives', async () => {
    const world = createWorld(place)
    const { build, calls } = builds(world)
    await world.shutdown(await world.start({ jobs: [build('old', 20)] }))
    await world.start({ jobs: [build('new', 15)] })
    const third = world.scheduler({ jobs: [build('old', 20)] })
    const heard = listen(third, 'job.registered')
    await third.start()
    expect(heard.map(({ event }) => [event.change, event.version, event.nextAt])).toEqual([['followed', 2, at(15)]])
    await world.clock.advance({ seconds: 50 })
    expect(calls.map((call) => [call.slot, call.version])).toEqual([
      [15, 2],
      [30, 2],
      [45, 2],
    ])
  })

  it('every slot runs once while nodes of two builds are alive', async () => {
    const world = createWorld(place)
    const { build, calls } = builds(world)
    await world.start({ jobs: [build('old', 10)] })
    await world.clock.advance({ seconds: 15 })
    await world.start({ jobs: [build('new', 10)] })
    await world.start({ jobs: [build('old', 10)] })
    await world.clock.advance({ seconds: 90 })
    expect(calls.map((call) => call.slot)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    expect(calls.slice(1).map((call) => call.version)).toEqual(Array.from({ length: 9 }, () => 2))
  })

  it('retry settings of a newer definition apply on a node of the older build', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const build = (name: string, settings: JobSettingsInput): Job =>
      defineJob({
        name: 'job',
        schedule: everySeconds(10),
        ...settings,
        tasks: [
          {
            name: 'work',
            data: name,
            run: ({ data, attempt }: TaskContext) => {
              ran.push(`${data} ${attempt}`)
              throw new Error('no')
            },
          },
        ],
      })
    const old = await world.start({ jobs: [build('old', {})] })
    const next = await world.start({ jobs: [build('new', { retryPolicy: { maxRetries: 2, retryInterval: 0 } })] })
    // The remaining node has not noticed the crash yet, so the crashed node's definition stays in force.
    world.crash(next)
    await world.clock.advance({ seconds: 12 })
    await world.shutdown(old)
    expect(ran).toEqual(['new 1', 'new 2', 'new 3'])
  })

  it('a running occurrence keeps the job version with which it started', async () => {
    const world = createWorld(place)
    const { build, calls } = builds(world)
    const first = await world.start({ jobs: [build('old', 20, { takes: 30, taskTimeout: { seconds: 60 } })] })
    await world.clock.advance({ seconds: 25 })
    await world.start({ jobs: [build('new', 20, { taskTimeout: { seconds: 1 } })] })
    await world.clock.advance({ seconds: 40 })
    const [occurrence] = (await first.occurrences({ job: 'job' })).items
    expect(occurrence).toMatchObject({ state: 'completed', jobVersion: 1 })
    expect(calls.at(-1)?.version).toBe(2)
  })

  it('a pending run of an old version runs by that version on a node with the code of that version', async () => {
    const world = createWorld(place)
    const data: unknown[] = []
    const build = (name: string): Job =>
      defineJob({
        name: 'job',
        schedule: once(at(10)),
        tasks: [
          {
            name: 'work',
            data: name,
            run: (context) => {
              data.push([context.data, context.job.version])
            },
          },
        ],
      })
    const blocker = defineJob({
      name: 'blocker',
      schedule: once(at(9)),
      tasks: [{ name: 'work', run: () => world.clock.sleep({ seconds: 30 }) }],
    })
    await world.start({ jobs: [blocker, build('old')], maxConcurrentJobs: 1 })
    await world.clock.advance({ seconds: 15 })
    await world.start({ jobs: [build('new')] })
    await world.clock.advance({ minutes: 2 })
    expect(data).toEqual([['old', 1]])
  })

  it('a queued run of a version whose code was removed runs by the current version', async () => {
    const world = createWorld(place)
    const ran: unknown[] = []
    const build = (names: string[]): Job =>
      defineJob({
        name: 'job',
        schedule: everySeconds(10, +at(30)),
        overlapPolicy: 'queue',
        onInterrupted: 'fail',
        tasks: names.map((name) => ({
          name,
          run: async (context: TaskContext) => {
            ran.push([secondsOf(context.scheduledAt), name, context.job.version])
            if (ran.length === 1) await world.clock.sleep({ hours: 1 })
          },
        })),
      })
    const first = await world.start({ jobs: [build(['first', 'gone'])], nodeId: 'node' })
    await world.clock.advance({ seconds: 35 })
    world.crash(first)
    const second = await world.start({ jobs: [build(['first'])], nodeId: 'node' })
    await world.clock.advance({ minutes: 3 })
    expect(ran).toEqual([
      [10, 'first', 1],
      [20, 'first', 2],
      [30, 'first', 2],
    ])
    expect(await fates(second, 'job')).toEqual(['10 failed_stale owner_restarted', '20 completed', '30 completed'])
  })

  it('if the code of some tasks was removed, an unfinished occurrence continues without these tasks', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const build = (names: string[]): Job =>
      defineJob({
        name: 'job',
        schedule: once(at(10)),
        onInterrupted: 'retry',
        tasks: names.map((name) => ({
          name,
          run: async ({ attempt }: TaskContext) => {
            ran.push(`${name} ${attempt}`)
            if (name === 'gone') await world.clock.sleep({ hours: 1 })
          },
        })),
      })
    const first = await world.start({ jobs: [build(['first', 'gone', 'last'])], nodeId: 'node' })
    await world.clock.advance({ seconds: 12 })
    world.crash(first)
    const second = await world.start({ jobs: [build(['first', 'last'])], nodeId: 'node' })
    await world.clock.advance({ minutes: 3 })
    expect(ran).toEqual(['first 1', 'gone 1', 'last 1'])
    const [occurrence] = (await second.occurrences({ job: 'job' })).items
    expect(occurrence?.state).toBe('completed')
    const tasks = occurrence?.tasks.map(({ name, state, reason }) => `${name} ${state} ${reason}`).sort()
    expect(tasks).toEqual(['first completed null', 'gone canceled no_handler', 'last completed null'])
  })

  it('a node without all code of the current version does not run the job', async () => {
    const world = createWorld(place)
    const { build } = builds(world)
    const ran: string[] = []
    const more = defineJob({
      name: 'job',
      schedule: everySeconds(10),
      tasks: [
        { name: 'work', run: () => ran.push('work') },
        { name: 'extra', run: () => ran.push('extra') },
      ],
    })
    await world.start({ jobs: [build('old', 10)], nodeId: 'old' })
    const second = await world.start({ jobs: [more], nodeId: 'new' })
    await world.clock.advance({ seconds: 25 })
    expect(ran).toEqual(['work', 'extra', 'work', 'extra'])
    const nodes = (await second.occurrences({ job: 'job' })).items.map(({ node }) => node)
    expect(nodes).toEqual(['new', 'new'])
  })

  it('a node that receives the code of a job by `add` then claims a pending run of this job', async () => {
    const world = createWorld(place)
    const ran: number[] = []
    const job = defineJob({
      name: 'late',
      schedule: once(at(10)),
      onInterrupted: 'retry',
      executionTimeout: { seconds: 30 },
      tasks: [
        {
          name: 'work',
          run: async ({ attempt, signal }) => {
            ran.push(attempt)
            if (attempt === 1) await world.clock.sleep({ hours: 1 }, signal)
          },
        },
      ],
    })
    const first = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 12 })
    // The second node has no code for the job, so the run that the first node hands back stays pending.
    const second = await world.start({ jobs: [] })
    await world.shutdown(first, 1000)
    await world.clock.advance({ seconds: 5 })
    expect(ran).toEqual([1])
    await second.add(job)
    await world.clock.advance({ minutes: 2 })
    expect(ran).toEqual([1, 2])
  })
})

it('`start` rejects if the node cannot load a stored job’s schedule type; the error names `scheduleTypes`', async () => {
  const world = createWorld(memory)
  const { build } = builds(world)
  await world.shutdown(await world.start({ jobs: [build('a', 100)] }))
  await world.clock.advance({ seconds: 1000 })
  // The missed slots belong to the stored schedule, whose type is `every`. The new build has another schedule type, and cannot
  // load `every`. So it cannot decide about the missed slots, and its start fails.
  const job = defineJob({
    name: 'job',
    schedule: once(at(2000)),
    overlapPolicy: 'queue',
    tasks: [{ name: 'work', run: () => 1 }],
  })
  const ignorant = world.scheduler({ jobs: [job] })
  await expect(ignorant.start()).rejects.toMatchObject({
    code: 'UNKNOWN_SCHEDULE_TYPE',
    field: 'scheduleTypes',
    value: 'every',
  })
  const scheduler = await world.start({ jobs: [job], scheduleTypes: [everyType] })
  await world.clock.advance({ seconds: 1 })
  expect((await fates(scheduler, 'job')).at(-1)).toBe('1000 completed')
})
