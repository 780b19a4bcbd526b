import {
  type ClientOptions,
  createClient,
  createScheduler,
  defineJob,
  type Scheduler,
  type SchedulerOptions,
  silentLogger,
  type TaskContext,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everyStorage } from '../support/places.ts'
import { at, createWorld, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/** With these intervals no node polls before the end of a test. */
const deaf: Partial<SchedulerOptions> = {
  pollInterval: { hours: 1 },
  ...tuned({ definitionInterval: { hours: 1 }, reapInterval: { hours: 1 } }),
  logger: silentLogger,
}

/** Starts a scheduler on the given storage object. */
async function start(world: World, storage: Storage, options: Partial<SchedulerOptions>): Promise<Scheduler> {
  const { clock } = world
  const scheduler = createScheduler({ ...deaf, ...options, storage, clock })
  onTestFinished(() => scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
  const starting = scheduler.start()
  await clock.settle()
  await starting
  await clock.settle()
  return scheduler
}

function clientOf({ clock }: World, options: ClientOptions) {
  return createClient({ clock, scheduleTypes: [everyType], logger: silentLogger, ...options })
}

/** Defines a job. `heard` lists the steps of its runs with their seconds. */
function working(world: World, { forSeconds = 0 } = {}) {
  const heard: string[] = []
  const hear = (what: string) => heard.push(`${secondsOf(world.clock.now())} ${what}`)
  const run = async ({ signal }: TaskContext) => {
    hear('begins')
    await world.clock.sleep({ seconds: forSeconds }, signal).catch((reason) => {
      hear('stops')
      throw reason
    })
  }
  const job = defineJob({ name: 'work', overlapPolicy: 'allow', tasks: [{ name: 'work', run }] })
  return { heard, run, job }
}

describe.each(everyStorage)('on the storage $name, if engines share one storage object,', (place) => {
  it('a node starts the run of a client’s trigger without a poll', async () => {
    const world = createWorld(place)
    const storage = world.connect()
    const { job, heard } = working(world)
    await start(world, storage, { jobs: [job] })
    const client = clientOf(world, { storage })
    await world.clock.advance({ seconds: 20 })
    await client.trigger('work')
    await world.clock.advance({ seconds: 5 })
    expect(heard).toEqual(['20 begins'])
    await client.trigger('work', { delay: { seconds: 10 } })
    await world.clock.advance({ seconds: 20 })
    expect(heard).toEqual(['20 begins', '35 begins'])
  })

  it('a node starts the run of a trigger without a poll, even if the answer to the trigger is lost', async () => {
    const world = createWorld(place)
    const intercepted = new InterceptedStorage(world.connect())
    const { job, heard } = working(world)
    await start(world, intercepted.storage, { jobs: [job] })
    const client = clientOf(world, { storage: intercepted.storage })
    await world.clock.advance({ seconds: 20 })
    intercepted.fail('createOccurrences', 1, 'after its effect')
    const triggering = client.trigger('work')
    await world.clock.advance({ seconds: 5 })
    expect(heard).toEqual(['20 begins'])
    await triggering
  })

  it('a node aborts a run without a poll when a client cancels the run', async () => {
    const world = createWorld(place)
    const storage = world.connect()
    const { job, heard } = working(world, { forSeconds: 600 })
    const node = await start(world, storage, { jobs: [job] })
    const { id } = await node.trigger('work')
    await world.clock.advance({ seconds: 20 })
    expect(await clientOf(world, { storage }).cancel(id)).toMatchObject({ outcome: 'requested' })
    await world.clock.advance({ seconds: 5 })
    expect(heard).toEqual(['0 begins', '20 stops'])
  })

  it('a node learns of a client’s definitions, pauses and resumptions without a poll', async () => {
    const world = createWorld(place)
    const storage = world.connect()
    const { run, heard } = working(world)
    await start(world, storage, { handlers: { work: run }, scheduleTypes: [everyType] })
    const client = clientOf(world, { storage })
    await client.add(defineJob({ name: 'added', schedule: everySeconds(10), tasks: [{ name: 'a', handler: 'work' }] }))
    await world.clock.advance({ seconds: 15 })
    await client.pause('added')
    await client.trigger('added')
    await world.clock.advance({ seconds: 20 })
    expect(heard).toEqual(['10 begins'])
    await client.resume('added')
    await world.clock.advance({ seconds: 2 })
    expect(heard).toEqual(['10 begins', '35 begins'])
  })

  it('a run that finds no free permit on one node starts on another node without a poll', async () => {
    const world = createWorld(place)
    const storage = world.connect()
    const { run } = working(world, { forSeconds: 600 })
    const begun: string[] = []
    const jobOf = (node: string) => {
      const noted = (context: TaskContext) => {
        begun.push(`${secondsOf(world.clock.now())} on ${node}`)
        return run(context)
      }
      return defineJob({ name: 'work', overlapPolicy: 'allow', tasks: [{ name: 'work', run: noted }] })
    }
    const room = { maxConcurrentJobs: 1, prefetch: 0 }
    const first = await start(world, storage, { jobs: [jobOf('a')], nodeId: 'a', ...room })
    await start(world, storage, { jobs: [jobOf('b')], nodeId: 'b', ...room })
    await world.clock.advance({ seconds: 20 })
    await first.trigger('work')
    await world.clock.advance({ seconds: 5 })
    await first.trigger('work')
    await world.clock.advance({ seconds: 5 })
    expect(begun).toEqual(['20 on a', '25 on b'])
  })

  it('`changes` of a client yields the changes of a node before the next poll of the client', async () => {
    const world = createWorld(place)
    const storage = world.connect()
    const { job } = working(world)
    const node = await start(world, storage, { jobs: [job] })
    const client = clientOf(world, { storage })
    const heard: string[] = []
    const ended = (async () => {
      for await (const { kind } of client.changes({ interval: { seconds: 10 } })) heard.push(kind)
    })()
    await world.clock.advance({ seconds: 21 })
    heard.splice(0)
    await node.pause('work')
    await world.clock.advance({ seconds: 1 })
    expect(heard).toEqual(['jobs'])
    await client.close()
    await ended
  })

  it("a node's own calls and an idle client cause no additional claims", async () => {
    const claims: number[] = []
    for (const isShared of [false, true]) {
      const world = createWorld(place)
      const intercepted = new InterceptedStorage(world.connect())
      const { job } = working(world)
      let count = 0
      intercepted.intercept = ({ operation, proceed }) => {
        if (operation === 'claim') count++
        return proceed()
      }
      const node = await start(world, intercepted.storage, { jobs: [job] })
      if (isShared) await clientOf(world, { storage: intercepted.storage }).counts()
      for (let trigger = 0; trigger < 5; trigger++) {
        await node.trigger('work', { at: at(60 + trigger) })
        await world.clock.advance({ seconds: 1 })
      }
      await world.clock.advance({ minutes: 5 })
      expect((await node.occurrences({ job: 'work' })).items).toHaveLength(5)
      claims.push(count)
    }
    expect(claims[1]).toBe(claims[0])
  })

  it('the starts of runs cause no additional claims while a delayed run is pending', async () => {
    const claims: number[] = []
    for (const isWaiting of [false, true]) {
      const world = createWorld(place)
      const intercepted = new InterceptedStorage(world.connect())
      const { job, heard } = working(world)
      const node = await start(world, intercepted.storage, { jobs: [job], nodeId: 'a' })
      await start(world, intercepted.storage, { jobs: [job], nodeId: 'b' })
      await world.clock.advance({ seconds: 20 })
      if (isWaiting) await node.trigger('work', { delay: { minutes: 30 } })
      const run = async () => {
        await node.trigger('work', { delay: { seconds: 1 } })
        await world.clock.advance({ seconds: 5 })
      }
      // In this first run only, an answer of the storage tells the node when the delayed run starts. So the test counts calls
      // only after this run.
      await run()
      intercepted.reset()
      for (let times = 0; times < 5; times++) await run()
      expect(heard).toHaveLength(6)
      claims.push(intercepted.count('claim'))
    }
    expect(claims[1]).toBe(claims[0])
  })
})
