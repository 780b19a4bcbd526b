import { defineJob, type Logger, type Scheduler, type TaskHandler } from '@jobistemer/core'
import { WindowedSchedule } from '@jobistemer/core/schedule'
import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Makes a logger that keeps its warnings and errors. */
function warnings(): { readonly lines: { message: string; fields: object }[]; readonly logger: Logger } {
  const lines: { message: string; fields: object }[] = []
  const keep = (fields: object, message: string) => void lines.push({ message, fields })
  return { lines, logger: { debug: () => undefined, info: () => undefined, warn: keep, error: keep } }
}

/** Defines a job whose tasks name handlers, and whose first slot comes due after an hour. */
function dataJob(name: string, handlers: readonly string[] = ['greet']) {
  const tasks = handlers.map((handler, index) => ({ name: `task-${index}`, handler, data: name }))
  return defineJob({ name, schedule: everySeconds(3600), overlapPolicy: 'queue', tasks })
}

function greeter(world: World) {
  const greeted: string[] = []
  const greet: TaskHandler = ({ data }) => void greeted.push(`${secondsOf(world.clock.now())} ${data}`)
  return { greeted, handlers: { greet } }
}

/** Occupies the only permit of a node for three hours, so that the node runs none of the jobs that it adds. */
async function occupy(scheduler: Scheduler, world: World): Promise<void> {
  const tasks = [{ name: 'work', run: () => world.clock.sleep({ hours: 3 }) }]
  await scheduler.add(defineJob({ name: 'blocker', schedule: everySeconds(3600), tasks }))
  await scheduler.trigger('blocker')
}

/** A schedule of a type that only one node can load. */
class Rare extends WindowedSchedule {
  get type() {
    return { name: 'rare', revive: () => new Rare() }
  }

  describe(): string {
    return 'rarely'
  }

  toJSON() {
    return { type: 'rare' }
  }

  protected nextAfter(afterMs: number): number {
    return (Math.floor(afterMs / 3_600_000) + 1) * 3_600_000
  }

  protected previousBefore(beforeMs: number): number {
    return (Math.ceil(beforeMs / 3_600_000) - 1) * 3_600_000
  }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a node runs a job that another node has just added, and logs no warning about missing handlers', async () => {
    const world = createWorld(place)
    const { greeted, handlers } = greeter(world)
    const { lines, logger } = warnings()
    // The node polls for new jobs only once an hour, so no poll finds the new jobs within this test.
    await world.start({ handlers, logger, scheduleTypes: [everyType], ...tuned({ definitionInterval: { hours: 1 } }) })
    const client = await world.start({ handlers, maxConcurrentJobs: 1, pollInterval: { hours: 1 } })
    await occupy(client, world)
    for (const name of ['ann', 'bob']) {
      await client.add(dataJob(name))
      expect(await client.trigger(name)).toMatchObject({ state: 'pending' })
    }
    await world.clock.advance({ seconds: 5 })
    expect(greeted.map((line) => line.split(' ')[1]).sort()).toEqual(['ann', 'bob'])
    expect(lines).toEqual([])
  })

  it('a node that claims a run of a removed job continues to run other jobs', async () => {
    const world = createWorld(place)
    const { greeted, handlers } = greeter(world)
    const admin = await world.start({ handlers: {}, pollInterval: { hours: 1 } })
    let isRemoved = false
    const storage = wrapStorage(world.connect(), {
      async around(call) {
        const answer = await call.proceed()
        const claimed = call.method === 'claim' ? (answer as { claimed: readonly unknown[] }).claimed.length : 0
        if (claimed > 0 && !isRemoved) {
          isRemoved = true
          await admin.apply(await admin.plan([], { owner: 'short-lived' }))
        }
        return answer
      },
    })
    // Without wake-ups, the node learns of a job only when it claims a run of the job.
    const deaf = { ...storage, subscribe: undefined } as unknown as Storage
    const node = await world.start({
      handlers,
      storage: deaf,
      ...tuned({ definitionInterval: { hours: 1 } }),
      nodeId: 'node',
    })
    const adder = await world.start({ handlers, maxConcurrentJobs: 1, pollInterval: { hours: 1 } })
    await occupy(adder, world)
    await adder.apply(await adder.plan([dataJob('gone')], { owner: 'short-lived' }))
    await adder.trigger('gone')
    await world.clock.advance({ seconds: 5 })
    expect(isRemoved).toBe(true)
    await adder.add(dataJob('ann'))
    await adder.trigger('ann')
    await world.clock.advance({ seconds: 10 })
    expect(greeted.map((line) => line.split(' ')[1])).toEqual(['ann'])
    expect((await node.occurrences({ job: 'gone' })).items.map(({ state, reason }) => [state, reason])).toEqual([
      ['canceled', 'deleted'],
    ])
  })

  it("a node that cannot load the schedule type of one job runs this job's triggers and other jobs", async () => {
    const world = createWorld(place)
    const { greeted, handlers } = greeter(world)
    const node = await world.start({ handlers, scheduleTypes: [everyType] })
    const adder = await world.start({ handlers, maxConcurrentJobs: 1, pollInterval: { hours: 1 } })
    await occupy(adder, world)
    const tasks = [{ name: 'task', handler: 'greet', data: 'rare' }]
    await adder.add(defineJob({ name: 'rare', schedule: new Rare(), tasks }))
    await adder.trigger('rare')
    await world.clock.advance({ seconds: 5 })
    await adder.add(dataJob('ann'))
    await adder.trigger('ann')
    await world.clock.advance({ seconds: 5 })
    expect(greeted.map((line) => line.split(' ')[1])).toEqual(['rare', 'ann'])
    expect((await node.occurrences({ job: 'rare' })).items.map(({ state }) => state)).toEqual(['completed'])
  })

  it('if a node adds a job, another node loads the job only if this other node has all handlers of the job', async () => {
    const world = createWorld(place)
    const { handlers } = greeter(world)
    const node = await world.start({
      handlers,
      scheduleTypes: [everyType],
      ...tuned({ definitionInterval: { seconds: 1 } }),
    })
    const author = await world.start({ ...tuned({ definitionInterval: { hours: 1 } }) })
    const schedule = everySeconds(3600)
    const code = { name: 'code', run: () => undefined }
    await author.add(dataJob('data'))
    await author.add(dataJob('lacking', ['greet', 'sing']))
    await author.add(defineJob({ name: 'code', schedule, tasks: [code] }))
    await author.add(defineJob({ name: 'mixed', schedule, tasks: [{ name: 'data', handler: 'greet' }, code] }))
    await world.clock.advance({ seconds: 5 })
    expect(await node.nextRuns('data', 1)).toEqual([at(3600)])
    for (const name of ['lacking', 'code', 'mixed']) {
      await expect(node.nextRuns(name), name).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    }
    // The node that stored the job shuts down. The other node has the handler, so it runs the job.
    await world.shutdown(author)
    await world.clock.advanceTo(at(3601))
    expect(await fates(node, 'data')).toEqual(['3600 completed'])
  })

  it('a node logs at its start which handler of a job is missing, and the error of `trigger` names the handler', async () => {
    const world = createWorld(place)
    const { handlers } = greeter(world)
    const { lines, logger } = warnings()
    const job = dataJob('letter', ['greet', 'sned'])
    const node = await world.start({ jobs: [job], handlers, logger })
    expect(lines).toEqual([
      {
        message: 'this node has no handler for the job; other nodes will run it',
        fields: { job: 'letter', missing: ['sned'] },
      },
    ])
    await expect(node.trigger('letter')).rejects.toMatchObject({
      code: 'HANDLER_NOT_FOUND',
      field: 'handlers',
      value: ['sned'],
      message: expect.stringContaining('"letter" needs handlers that this node lacks: "sned"'),
    })
  })

  it('the error of `trigger` on a node of an older build names the task for which the node has no code', async () => {
    const world = createWorld(place)
    const task = (name: string) => ({ name, run: () => undefined })
    const schedule = everySeconds(3600)
    const older = defineJob({ name: 'report', schedule, tasks: [task('export')] })
    const newer = defineJob({ name: 'report', schedule, tasks: [task('export'), task('upload')] })
    await world.start({ jobs: [older] })
    await world.start({ jobs: [newer] })
    const behind = await world.start({ jobs: [older] })
    await expect(behind.trigger('report')).rejects.toMatchObject({
      code: 'HANDLER_NOT_FOUND',
      value: ['upload'],
      message: expect.stringContaining('"report" needs handlers that this node lacks: "upload"'),
    })
  })

  it('a node warns once of a job whose handler it lacks, and runs the job after an update that names a handler of the node', async () => {
    const world = createWorld(place)
    const { greeted, handlers } = greeter(world)
    const { lines, logger } = warnings()
    const knowing = await world.start({ handlers: { ...handlers, sing: () => undefined }, maxConcurrentJobs: 1 })
    await occupy(knowing, world)
    const other = await world.start({ handlers, logger, scheduleTypes: [everyType], nodeId: 'other' })
    const released = listen(other, 'occurrence.started')
    await knowing.add(dataJob('song', ['sing']))
    await knowing.trigger('song')
    await knowing.trigger('song')
    await world.clock.advance({ minutes: 4 })
    expect(released).toEqual([])
    expect(lines.map(({ fields }) => fields)).toEqual([{ job: 'song', missing: ['sing'] }])
    expect((await other.occurrences({ job: 'song' })).items.map(({ state }) => state).sort()).toEqual([
      'pending',
      'queued',
    ])
    // A node that lacks the handler of one job still runs other jobs.
    await knowing.add(dataJob('ann'))
    await knowing.trigger('ann')
    await world.clock.advance({ seconds: 5 })
    await knowing.update('song', { tasks: [{ name: 'task-0', handler: 'greet', data: 'song' }] })
    await world.clock.advance({ seconds: 10 })
    expect(greeted.map((line) => line.split(' ')[1])).toEqual(['ann', 'song', 'song'])
    expect(await fates(other, 'song')).toEqual([
      expect.stringContaining('completed'),
      expect.stringContaining('completed'),
    ])
  })

  it('a run that is claimed during a shutdown is released with the reason shutdown, not no_handler', async () => {
    const world = createWorld(place)
    const job = defineJob({
      name: 'job',
      schedule: everySeconds(10, +at(10)),
      tasks: [{ name: 'work', run: ({ signal }) => world.clock.sleep({ seconds: 30 }, signal) }],
    })
    const first = await world.start({ jobs: [job], nodeId: 'first' })
    await world.clock.advance({ seconds: 12 })
    await world.shutdown(first, 1000)
    let stopping: Promise<void> | undefined
    const storage = wrapStorage(world.connect(), {
      async around(call) {
        const answer = await call.proceed()
        const claimed = call.method === 'claim' ? (answer as { claimed: readonly unknown[] }).claimed.length : 0
        if (claimed > 0) stopping ??= second.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
        return answer
      },
    })
    const second = world.scheduler({ jobs: [job], storage, nodeId: 'second' })
    await second.start()
    await world.clock.advance({ seconds: 5 })
    await stopping
    const [occurrence] = (await first.occurrences({ job: 'job' })).items
    expect(occurrence).toMatchObject({ state: 'pending', reason: 'shutdown', fencingToken: 2 })
  })
})
