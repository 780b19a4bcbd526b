import {
  createClient,
  defineJob,
  type Job,
  type JobSettingsInput,
  silentLogger,
  type TaskContext,
  type TriggerItem,
} from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'

const rarely = { pollInterval: { hours: 1 } }

/** Defines jobs whose runs take `seconds`. `begun` lists the handler calls as `'name input at second'`. */
function working(world: World) {
  const begun: string[] = []
  const job = (name: string, seconds: number, settings: JobSettingsInput & { slotsUntil?: number } = {}): Job => {
    const { slotsUntil, ...rest } = settings
    return defineJob({
      name,
      ...(slotsUntil !== undefined && { schedule: everySeconds(10, +at(slotsUntil)) }),
      overlapPolicy: 'allow',
      ...rest,
      tasks: [
        {
          name: 'work',
          async run({ input, signal }: TaskContext) {
            const which = input === undefined ? '' : ` ${input}`
            begun.push(`${name}${which} at ${secondsOf(world.clock.now())}`)
            if (seconds > 0) await world.clock.sleep({ seconds }, signal)
          },
        },
      ],
    })
  }
  return { begun, job, names: () => begun.map((one) => one.replace(/ at .*/, '')) }
}

describe.each(everywhere)('on the storage $name, with priorities', (place) => {
  it('pending runs of all jobs start in the order of their priority', async () => {
    const world = createWorld(place)
    const { job, names } = working(world)
    const jobs = [job('low', 1, { priority: -5 }), job('plain', 1), job('urgent', 1, { priority: 5 })]
    const node = await world.start({ jobs: [job('first', 1), ...jobs], maxConcurrentJobs: 1, ...rarely })
    await node.trigger('first')
    for (const { name } of jobs) await node.trigger(name)
    await world.clock.advance({ seconds: 10 })
    expect(names()).toEqual(['first', 'urgent', 'plain', 'low'])
  })

  it('a request has its own priority, or otherwise the priority of its job', async () => {
    const world = createWorld(place)
    const { job, names } = working(world)
    const jobs = [job('plain', 1), job('urgent', 1, { priority: 5 })]
    const node = await world.start({ jobs: [job('first', 1), ...jobs], maxConcurrentJobs: 1, ...rarely })
    await node.trigger('first', { priority: -10 })
    const items: TriggerItem[] = [
      { job: 'urgent', data: 'as 0', priority: 0 },
      { job: 'plain', data: 'as it is' },
      { job: 'plain', data: 'as 6', priority: 6 },
      { job: 'urgent', data: 'as it is' },
      { job: 'plain', data: 'as -1', priority: -1 },
    ]
    await node.triggerMany(items)
    await world.clock.advance({ seconds: 10 })
    expect(names().slice(1, 3)).toEqual(['plain as 6', 'urgent as it is'])
    // Runs with the same instant and priority start in the order of their ids. The test does not know these ids, so it sorts
    // the names of the two runs.
    expect(names().slice(3, 5).sort()).toEqual(['plain as it is', 'urgent as 0'])
    expect(names().slice(5)).toEqual(['plain as -1'])
    const { items: runs } = await node.occurrences({ job: 'urgent' })
    expect(runs.map(({ input, priority }) => `${input}: ${priority}`).sort()).toEqual(['as 0: 0', 'as it is: 5'])
    const [first] = (await node.occurrences({ job: 'first' })).items
    expect(first?.priority).toBe(-10)
    const again = await node.replay(first?.id as never)
    expect((await node.occurrence(again.id)).priority).toBe(0)
    const urgent = await node.replay(first?.id as never, { priority: 3, key: 'again' })
    expect((await node.occurrence(urgent.id)).priority).toBe(3)
  })

  it('slots of one instant start in the order of their priority, and slots without a permit are stored as pending', async () => {
    const world = createWorld(place)
    const { job, names } = working(world)
    const priorities = [0, -3, 7, 2, 0, 10]
    const jobs = priorities.map((priority, index) => job(`${priority} ${index}`, 60, { priority, slotsUntil: 10 }))
    const node = await world.start({ jobs, maxConcurrentJobs: 2, ...rarely })
    const created = listen(node, 'occurrence.created')
    await world.clock.advanceTo(at(10))
    expect(names()).toEqual(['10 5', '7 2'])
    await world.clock.advance(100)
    expect(created.map(({ event }) => `${event.jobName} ${event.state}`)).toEqual([
      '10 5 running',
      '7 2 running',
      '2 3 pending',
      // Slots of the same instant and priority are created in any order, so the test takes the job names from the events.
      ...created.slice(3, 5).map(({ event }) => `${event.jobName} pending`),
      '-3 1 pending',
    ])
    await world.clock.advance({ minutes: 5 })
    expect(names().slice(2, 3)).toEqual(['2 3'])
    expect(names().slice(3, 5).sort()).toEqual(['0 0', '0 4'])
    expect(names().slice(5)).toEqual(['-3 1'])
  })

  it('a slot of low priority that finds no permit is stored as pending within 30 ms, and does not become a missed slot', async () => {
    const world = createWorld(place)
    const { job } = working(world)
    const low = job('low', 1, { slotsUntil: 10, misfireThreshold: 60, recoveryStrategy: 'mark_as_missed' })
    const urgent = { ...job('urgent', 1, { priority: 1 }), schedule: once(at(10.02)) }
    const node = await world.start({ jobs: [job('first', 60), low, urgent], maxConcurrentJobs: 1, ...rarely })
    await node.trigger('first')
    await world.clock.advanceTo(at(10.029))
    expect([await fates(node, 'low'), await fates(node, 'urgent')]).toEqual([[], []])
    await world.clock.advanceTo(at(10.03))
    expect(await fates(node, 'low')).toEqual(['10 pending'])
    await world.clock.advance({ minutes: 2 })
    expect(await fates(node, 'low')).toEqual(['10 completed'])
  })

  it('the queued runs of a job start in the order of their priority', async () => {
    const world = createWorld(place)
    const { job, names } = working(world)
    const node = await world.start({ jobs: [job('queue', 1, { overlapPolicy: 'queue' })], ...rarely })
    for (const priority of [0, 1, -1, 3, 2, -2]) await node.trigger('queue', { priority, data: priority })
    await world.clock.advance({ seconds: 10 })
    expect(names()).toEqual([0, 3, 2, 1, -1, -2].map((priority) => `queue ${priority}`))
  })

  it.each([
    { means: 'a wake-up', wakesUp: true, within: 1 },
    { means: 'a poll', wakesUp: false, within: 3 },
  ])(
    "20 queued runs of low priority do not delay another job's urgent run, of which the node learns by $means",
    async ({ wakesUp, within }) => {
      const world = createWorld(place)
      const { job, begun } = working(world)
      const jobs = [job('queue', 1, { overlapPolicy: 'queue', priority: -1 }), job('urgent', 1, { priority: 1 })]
      const storage = wakesUp ? world.connect() : wrapStorage(world.connect(), { subscribe: undefined })
      const node = await world.start({ jobs, storage, maxConcurrentJobs: 1, pollInterval: { seconds: 2 } })
      for (let count = 0; count < 20; count++) await node.trigger('queue', { data: count })
      await world.clock.advance({ seconds: 5.5 })
      const client = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
      await client.trigger('urgent')
      await world.clock.advance({ seconds: 30 })
      await client.close()
      const place_ = begun.findIndex((one) => one.startsWith('urgent'))
      expect(secondsOf(world.clock.now())).toBe(35.5)
      expect(begun).toHaveLength(21)
      expect(place_).toBeGreaterThanOrEqual(6)
      // `place_` is the number of runs that start before the urgent run. SQLite sends no wake-ups, so on SQLite the node's next
      // poll finds the urgent run, after at most 2 s.
      expect(place_).toBeLessThanOrEqual(5 + (place.name === 'memory' ? within : 3))
    },
  )

  it('an urgent slot does not wait for the end of a burst of 2,000 runs of lower priority', async () => {
    const world = createWorld(place)
    const { job, begun } = working(world)
    const jobs = [job('many', 0.01), job('urgent', 0, { priority: 5, slotsUntil: 10 })]
    const node = await world.start({ jobs, maxConcurrentJobs: 1, ...rarely })
    // The node holds back the requests of a burst for at most 100 ms, until their runs have permits. After this time, it stores
    // the remaining runs as pending.
    const asked = node.triggerMany(Array.from({ length: 2000 }, (_, data) => ({ job: 'many', data })))
    await world.clock.advance({ minutes: 2 })
    await asked
    expect(begun).toHaveLength(2001)
    const started = Number(begun.find((one) => one.startsWith('urgent'))?.split(' at ')[1])
    expect(started).toBeGreaterThanOrEqual(10)
    expect(started).toBeLessThan(10.1)
    // The last runs of the burst start after the urgent slot.
    expect(Number(begun.at(-1)?.split(' at ')[1])).toBeGreaterThan(15)
  })

  it('a run that has waited more than an hour longer starts before a run whose priority is one level higher', async () => {
    const world = createWorld(place)
    const { job, begun } = working(world)
    const jobs = [job('plain', 0), job('urgent', 90, { priority: 1 })]
    const node = await world.start({ jobs, maxConcurrentJobs: 1, ...rarely })
    await node.trigger('urgent')
    await world.clock.advance({ seconds: 1 })
    await node.trigger('plain')
    await world.clock.advance(1)
    // Every 45 s the test requests a run that takes 90 s, so the number of pending runs grows.
    for (let seconds = 0; seconds < 2 * 3600; seconds += 45) {
      await node.trigger('urgent')
      await world.clock.advance({ seconds: 45 })
    }
    await world.clock.advance({ minutes: 2 })
    const index = begun.findIndex((one) => one.startsWith('plain'))
    // The priority of `urgent` is one level higher, which counts as one hour. So 81 runs of `urgent` start before the run of
    // `plain`: the first run, and the 80 runs that were requested within an hour after the request for `plain`.
    expect(begun[index]).toBe(`plain at ${81 * 90}`)
    expect(index).toBe(81)
  })

  it("an update of a job's priority applies to runs that are created after the update", async () => {
    const world = createWorld(place)
    const { job, names } = working(world)
    const jobs = [job('asked', 1), job('plain', 1), job('first', 2)]
    const node = await world.start({ jobs, maxConcurrentJobs: 1, ...rarely })
    await node.trigger('first')
    await node.trigger('asked', { data: 'before' })
    await world.clock.advance(1)
    await node.trigger('plain')
    await node.update('asked', { priority: 1 })
    await world.clock.advance(1)
    await node.trigger('asked', { data: 'after' })
    await world.clock.advance({ seconds: 10 })
    expect(names()).toEqual(['first', 'asked after', 'asked before', 'plain'])
    expect((await node.job('asked')).settings.priority).toBe(1)
  })

  it("an update of a job's priority applies to later slots and creates a new version", async () => {
    const world = createWorld(place)
    const { job, names } = working(world)
    const jobs = [job('other', 60, { slotsUntil: 10, priority: 1 }), job('one', 60, { slotsUntil: 10 })]
    const node = await world.start({ jobs, maxConcurrentJobs: 1, ...rarely })
    expect(await node.update('one', { priority: 2 })).toMatchObject({ version: 2 })
    await world.clock.advanceTo(at(10))
    expect(names()).toEqual(['one'])
  })

  it('recovered slots and runs of a backfill have the priority of their job', async () => {
    const world = createWorld(place)
    const { job } = working(world)
    const strategy = { recoveryStrategy: 'execute_all', misfireThreshold: { seconds: 5 } } as const
    const jobs = [job('urgent', 1, { priority: 4, slotsUntil: 20, ...strategy })]
    const first = await world.start({ jobs })
    await world.shutdown(first)
    await world.clock.advance({ seconds: 60 })
    const node = await world.start({ jobs, ...rarely })
    await world.clock.advance({ seconds: 10 })
    const { items } = await node.occurrences({ job: 'urgent' })
    expect(items.map(({ recovered, priority }) => [recovered, priority])).toEqual([
      [true, 4],
      [true, 4],
    ])
    const span = { from: at(0), to: at(30), which: 'all' } as const
    await node.backfill('urgent', { ...span, key: 'as the job' })
    await world.clock.advance({ seconds: 10 })
    await node.backfill('urgent', { ...span, key: 'calmly', priority: 0 })
    await world.clock.advance({ seconds: 10 })
    const runs = (await node.occurrences({ job: 'urgent' })).items.filter(({ backfill }) => backfill !== null)
    expect(runs.map(({ requestKey, priority }) => `${requestKey}: ${priority}`)).toEqual([
      ...Array.from({ length: 3 }, () => 'as the job: 4'),
      ...Array.from({ length: 3 }, () => 'calmly: 0'),
    ])
  })

  it('a run that is taken over from a dead node keeps its priority', async () => {
    const world = createWorld(place)
    const { job, names } = working(world)
    const quick = { deadAfter: { seconds: 30 }, maxConcurrentJobs: 1 }
    const jobs = [job('plain', 60), job('urgent', 1, { priority: 1 }), job('first', 50)]
    const lost = await world.start({ jobs, ...quick })
    await lost.trigger('urgent')
    world.crash(lost)
    const node = await world.start({ jobs, ...quick, ...rarely })
    await node.trigger('first')
    await node.trigger('plain')
    await world.clock.advance({ minutes: 3 })
    expect(names()).toEqual(['urgent', 'first', 'urgent', 'plain'])
    expect(await fates(node, 'urgent')).toEqual(['0 completed'])
  })

  it('`runDue` starts runs in the order of their priority', async () => {
    const world = createWorld(place)
    const { job, names } = working(world)
    const jobs = [job('plain', 1), job('urgent', 1, { priority: 1 })]
    const setUp = await world.start({ jobs })
    await world.shutdown(setUp)
    const client = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
    for (const name of ['plain', 'urgent', 'plain']) await client.trigger(name)
    await client.close()
    const node = world.scheduler({ jobs, maxConcurrentJobs: 1 })
    const running = node.runDue({ budget: { minutes: 1 } })
    await world.clock.advance({ minutes: 2 })
    await running
    expect(names()).toEqual(['urgent', 'plain', 'plain'])
  })
})
